package slack

import (
	"errors"

	"github.com/trailwarden/trailwarden/internal/notify"
)

// Error is Slack's refusal, by its code, such as "channel_not_found".
type Error struct {
	By   string // method, or "the incoming webhook"
	Code string
	Hint string // what a person can do about it; may be empty
}

func (e *Error) Error() string {
	code := e.Code
	if code == "" {
		code = "no reason given"
	}
	text := "tell Slack: " + e.By + " answered " + notify.Plain(code, 200)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

const (
	newURL   = "the webhook does not work any more: make a new one and set notify.slack.webhook_url"
	newToken = "Slack does not accept the token: install the app again and set notify.slack.bot_token"
	oddBody  = "Slack does not take the message's shape: please report this to trailwarden"
	blocked  = "an administrator of the workspace has restricted who may post here"
)

// permanent lists the codes that come again until a person has changed something, with what to change. Codes that are
// not in it are worth another try.
var permanent = map[string]string{
	"channel_not_found":   "see that notify.slack.channel is the channel's id, and that the bot is a member of the channel",
	"not_in_channel":      "invite the bot to the channel",
	"is_archived":         "the channel is archived: set notify.slack.channel to another one",
	"channel_is_archived": "the channel is archived: make a webhook for another one",
	"no_service":          newURL, "no_service_id": newURL, "no_team": newURL, "no_active_hooks": newURL, "invalid_token": newURL,
	"team_disabled": newURL, "user_not_found": newURL,
	"action_prohibited": blocked, "posting_to_general_channel_denied": blocked, "restricted_action": blocked,
	"restricted_action_read_only_channel": blocked, "restricted_action_thread_only_channel": blocked, "ekm_access_denied": blocked,
	"team_access_not_granted": blocked, "access_denied": blocked, "org_login_required": blocked,
	"invalid_auth": newToken, "not_authed": newToken, "account_inactive": newToken, "token_revoked": newToken, "token_expired": newToken,
	"not_allowed_token_type": "Slack does not accept this kind of token: notify.slack.bot_token is a bot's, which begins with xoxb-",
	"missing_scope":          "give the app the scope chat:write, and install it again",
	"no_permission":          "give the app the scope chat:write, and install it again",
	"invalid_payload":        oddBody, "invalid_blocks": oddBody, "invalid_blocks_format": oddBody, "msg_blocks_too_long": oddBody,
	"msg_too_long": oddBody, "no_text": oddBody, "invalid_arguments": oddBody, "invalid_json": oddBody, "json_not_object": oddBody,
	"metadata_too_large": oddBody, "too_many_attachments": oddBody,
}

// lost lists the codes which say that the message cannot be brought up to date any more.
var lost = map[string]bool{
	"message_not_found": true, "cant_update_message": true, "edit_window_closed": true, "update_failed": true, "thread_not_found": true,
}

// refused is Slack's refusal, permanent when its code is known to be.
func refused(by, code string) error {
	e := &Error{By: by, Code: code}
	hint, ok := permanent[code]
	if !ok {
		return e
	}
	e.Hint = hint
	return notify.Permanent(e)
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
