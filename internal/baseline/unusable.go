package baseline

import "fmt"

// Why a configured baseline cannot be used.
const (
	Missing    = "missing"     // there is no such file
	Unreadable = "unreadable"  // it cannot be read from the disk
	Empty      = "empty"       // there is nothing in it
	Invalid    = "invalid"     // something in it is wrong
	RolledBack = "rolled_back" // it is older than the last one used
	Swapped    = "swapped"     // it says something else under the serial number of the last one used
)

// Unusable is the error of a baseline that is configured and cannot be used. Whoever gets it watches and escalates,
// and repairs nothing: a baseline that is gone does not mean that nothing is wanted, and an attacker may have put
// an older one in its place. It is not the same as no baseline configured.
type Unusable struct {
	Path string
	Why  string // Missing, Unreadable, Empty, Invalid, RolledBack or Swapped
	Err  error  // what is wrong; with Invalid of type config.Problems
}

func (u *Unusable) Error() string { return fmt.Sprintf("use baseline %s: %v", u.Path, u.Err) }

func (u *Unusable) Unwrap() error { return u.Err }

// Hint says what a person can do.
func (u *Unusable) Hint() string {
	switch u.Why {
	case Missing, Empty:
		return "restore it from version control, or make one: trailwarden baseline capture --out " + u.Path
	case RolledBack:
		return "find out who put an older baseline in place; the newest in version control has the higher serial. One that is meant to hold again needs a serial above the last one used"
	case Swapped:
		return "find out who changed it; a reviewed change raises serial by one"
	case Unreadable:
		return "see that trailwarden may read it"
	}
	return "mend it, then see `trailwarden baseline check`; until then nothing is repaired"
}

// Used says which baseline was used last; the zero value is none. Whoever guards trails keeps it.
type Used struct {
	Serial int    `json:"serial"` // of the file
	Hash   string `json:"hash"`   // File.Hash
}

// Used is what to remember when the file is taken into use.
func (f File) Used() Used { return Used{Serial: f.Serial, Hash: f.Hash()} }

// Follows says whether the file may come after the one that was used last: it is that one, or has a higher serial
// number. Else the error is an *Unusable.
func (f File) Follows(last Used) error {
	switch {
	case f.Serial < last.Serial:
		return &Unusable{f.Name, RolledBack, fmt.Errorf("its serial is %d, and %d was in use before", f.Serial, last.Serial)}
	case f.Serial == last.Serial && last.Hash != "" && f.Hash() != last.Hash:
		return &Unusable{f.Name, Swapped, fmt.Errorf("it is not what was in use before, under the same serial %d", f.Serial)}
	}
	return nil
}
