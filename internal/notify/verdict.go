package notify

// Verdict is what asking a channel's other side has given: whether it would take a message, and whether anybody would read it.
type Verdict struct {
	Channel string `json:"channel"`
	Good    bool   `json:"good"`
	Known   bool   `json:"known"`          // false: it could not be asked, which says nothing of the channel
	Text    string `json:"text"`           // a sentence
	Hint    string `json:"hint,omitempty"` // what to do
}
