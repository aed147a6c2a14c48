package deploy

// Permission is one action that a role of the templates may call. The table is the one source: docs/permissions.md is
// made of it, the templates are held against it, and so are the calls that are made when everything runs.
type Permission struct {
	Action  string
	On      string   // resources, in words
	Feature string   // what does not work without it
	Why     string   // what the call is for
	Roles   []string // keys of RoleTexts
	// Silent says why no test of ours sees the call; empty when one does.
	Silent string
}

// RoleTexts says what each role is, by the end of its name.
var RoleTexts = []struct{ Role, Text string }{
	{"react", "The function that answers events. Like the other one it looks at trailwarden itself too."},
	{"sweep", "The function that looks at every trail on a timer."},
	{"restore", "Assumed by the two functions, each time with a session policy for one trail. Only there when `RestoreTrailArns` names trails."},
	{"member", "Assumed by the two functions of the central account, in each member account (member-role.yaml)."},
	{"timer", "EventBridge Scheduler."},
	{"heartbeat", "EventBridge, towards the witness account. Only there when `HeartbeatBusArn` names a bus."},
	{"forward", "EventBridge, towards the Region or the account that trailwarden runs in (forwarder.yaml, member-role.yaml)."},
}

const (
	byLambda       = "Lambda itself calls it, with the function's role"
	byScheduler    = "EventBridge Scheduler calls it"
	byOrganization = "for a trail that another account of the organization owns; the tests of internal/cloud make the call"
	byLedger       = "for a write that holds only while nobody else wrote; the tests of the ledger make it"
	byKey          = "the service that holds the data calls it on our behalf, when a key of yours is used"
)

var both = []string{"react", "sweep"}
var readers = []string{"react", "sweep", "member"}

// Permissions is everything that the templates grant.
var Permissions = []Permission{
	{Action: "cloudtrail:GetTrail", On: "trails of the account", Feature: "watching", Why: "read a trail's settings", Roles: readers},
	{Action: "cloudtrail:GetTrailStatus", On: "trails of the account", Feature: "watching", Why: "read whether a trail is logging, since when, and whether it delivers", Roles: readers},
	{Action: "cloudtrail:GetEventSelectors", On: "trails of the account", Feature: "pinned trails", Why: "read which events a trail records", Roles: readers},
	{Action: "cloudtrail:GetInsightSelectors", On: "trails of the account", Feature: "pinned trails", Why: "read which Insights are on", Roles: readers},
	{Action: "cloudtrail:GetEventConfiguration", On: "trails of the account", Feature: "pinned trails", Why: "read how events are enriched and aggregated", Roles: readers},
	{Action: "cloudtrail:ListTags", On: "trails of the account", Feature: "pinned trails", Why: "read a trail's tags", Roles: readers},
	{Action: "cloudtrail:ListTrails", On: "everything: the call knows no resources", Feature: "watching", Why: "find the trails to look at, and prove that one was deleted", Roles: readers},
	{Action: "cloudtrail:LookupEvents", On: "everything: the call knows no resources", Feature: "evidence", Why: "find out who did it, and what was done while nothing was recorded, in Event history, which nobody can switch off", Roles: readers},
	{Action: "ec2:DescribeRegions", On: "everything: the call knows no resources", Feature: "watching", Why: "find the Regions that trails are looked for in", Roles: readers},
	{Action: "organizations:DescribeOrganization", On: "everything: the call knows no resources", Feature: "organization", Why: "find out whether this account may restore the organization's trail", Roles: readers, Silent: byOrganization},
	{Action: "organizations:ListDelegatedAdministrators", On: "everything: the call knows no resources", Feature: "organization", Why: "the same, for a delegated administrator", Roles: readers, Silent: byOrganization},
	{Action: "cloudtrail:StartLogging", On: "trails of the account", Feature: "repair", Why: "start a stopped trail again; it can only ever record more", Roles: readers},

	{Action: "cloudtrail:UpdateTrail", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "put back bucket, prefix, key, topic, log group, Regions, validation", Roles: []string{"restore"}},
	{Action: "cloudtrail:CreateTrail", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "make a deleted trail anew, when it is proven that it was deleted", Roles: []string{"restore"}},
	{Action: "cloudtrail:PutEventSelectors", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "put back which events are recorded", Roles: []string{"restore"}},
	{Action: "cloudtrail:PutInsightSelectors", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "put back which Insights are on", Roles: []string{"restore"}},
	{Action: "cloudtrail:PutEventConfiguration", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "put back how events are enriched and aggregated", Roles: []string{"restore"}},
	{Action: "cloudtrail:AddTags", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "put back tags that were removed or overwritten", Roles: []string{"restore"}},
	{Action: "cloudtrail:RemoveTags", On: "the trails in `RestoreTrailArns`", Feature: "restore", Why: "take off tags that are not pinned", Roles: []string{"restore"}},
	{Action: "iam:PassRole", On: "the roles in `RestoreLogRoleArns`, to CloudTrail only", Feature: "restore", Why: "put back the delivery to CloudWatch Logs", Roles: []string{"restore"},
		Silent: "a check within UpdateTrail and CreateTrail, no call"},

	{Action: "sts:AssumeRole", On: "the role `trailwarden-restore`; in an organization, `trailwarden-member` of member accounts", Feature: "restore, organization", Why: "become the role that the work needs", Roles: readers},
	{Action: "sns:Publish", On: "trailwarden's topic; the topic in `ChatTopicArn`", Feature: "telling", Why: "tell people", Roles: both},
	{Action: "sns:GetTopicAttributes", On: "trailwarden's topic; the topic in `ChatTopicArn`", Feature: "telling", Why: "see that the topic is there (sweep, once a day)", Roles: both},
	{Action: "sns:ListSubscriptionsByTopic", On: "trailwarden's topic; the topic in `ChatTopicArn`", Feature: "telling", Why: "see that somebody reads it: else nobody would hear", Roles: both},
	{Action: "dynamodb:GetItem", On: "trailwarden's table", Feature: "ledger", Why: "read an incident, the head of a chain", Roles: both},
	{Action: "dynamodb:BatchGetItem", On: "trailwarden's table", Feature: "ledger", Why: "read several messages that are to be sent", Roles: both},
	{Action: "dynamodb:PutItem", On: "trailwarden's table", Feature: "ledger", Why: "write an entry, an incident, the head of a chain, a lease, a message", Roles: both},
	{Action: "dynamodb:DeleteItem", On: "trailwarden's table, but for entries, incidents, heads and evidence", Feature: "ledger", Why: "take a message that was sent out of the outbox, and an incident out of the list of open ones", Roles: both},
	{Action: "dynamodb:Query", On: "trailwarden's table", Feature: "ledger", Why: "read a chain, and what is still to be sent", Roles: both},
	{Action: "dynamodb:ConditionCheckItem", On: "trailwarden's table", Feature: "ledger", Why: "write incident and head in one transaction, or neither", Roles: both, Silent: byLedger},
	{Action: "secretsmanager:GetSecretValue", On: "the secrets in `SecretArns`", Feature: "channels", Why: "read the token or password of a channel", Roles: both},
	{Action: "ssm:GetParameter", On: "the parameters in `SecretArns`", Feature: "channels", Why: "read the token or password of a channel", Roles: both},
	{Action: "securityhub:BatchImportFindings", On: "the account's own product, when `SecurityHub` is yes", Feature: "channels", Why: "make an incident a finding, and change it as the incident changes", Roles: both},
	{Action: "securityhub:BatchUpdateFindings", On: "the account's hub, when `SecurityHub` is yes", Feature: "channels", Why: "say that a person has taken a finding on, or that it is resolved", Roles: both},
	{Action: "securityhub:DescribeHub", On: "the account's hub, when `SecurityHub` is yes", Feature: "channels", Why: "see that Security Hub is switched on (sweep, once a day)", Roles: both},
	{Action: "events:DescribeEventBus", On: "the bus in `EventBusArn`", Feature: "channels", Why: "see that the bus is there (sweep, once a day)", Roles: both},
	{Action: "s3:PutObject", On: "`evidence/` in `EvidenceBucket`; `trailwarden/anchors/` in `AnchorBucket` (sweep)", Feature: "evidence, anchors", Why: "keep what is too large for the table, and the heads of the ledger's chains where nobody here can alter them", Roles: both},
	{Action: "s3:GetObject", On: "`evidence/` in `EvidenceBucket`", Feature: "evidence", Why: "read what was kept there", Roles: both},
	{Action: "s3:PutObjectRetention", On: "`trailwarden/anchors/` in `AnchorBucket`", Feature: "anchors", Why: "lock an anchor as it is put", Roles: []string{"sweep"},
		Silent: "a check within PutObject, no call"},
	{Action: "kms:GenerateDataKey", On: "the key in `TopicKeyArn`, through SNS only; those in `KeyArns`, through S3 and SNS only", Feature: "telling, evidence, anchors", Why: "publish to topics and write to buckets that are encrypted with keys of yours", Roles: both, Silent: byKey},
	{Action: "kms:Decrypt", On: "the keys in `TopicKeyArn` and `LedgerKeyArn`, through SNS and DynamoDB only; those in `KeyArns`, through Secrets Manager, Parameter Store, S3 and SNS only", Feature: "telling, ledger, channels, evidence", Why: "use topics, a table, secrets and buckets that are encrypted with keys of yours", Roles: both, Silent: byKey},
	{Action: "kms:DescribeKey", On: "the key in `LedgerKeyArn`, through DynamoDB only", Feature: "ledger", Why: "use a table that is encrypted with a key of yours", Roles: both, Silent: byKey},

	{Action: "sqs:ReceiveMessage", On: "trailwarden's queue", Feature: "events", Why: "take events", Roles: []string{"react"}, Silent: byLambda},
	{Action: "sqs:DeleteMessage", On: "trailwarden's queue", Feature: "events", Why: "take away events that are done", Roles: []string{"react"}, Silent: byLambda},
	{Action: "sqs:ChangeMessageVisibility", On: "trailwarden's queue", Feature: "events", Why: "keep an event while it is worked on", Roles: []string{"react"}, Silent: byLambda},
	{Action: "sqs:GetQueueAttributes", On: "trailwarden's queue", Feature: "events, self-watch", Why: "Lambda sees how much is waiting; both functions see that the queue keeps events, and who is let in", Roles: both},
	{Action: "logs:CreateLogStream", On: "the function's own log group", Feature: "log", Why: "write the log", Roles: both, Silent: byLambda},
	{Action: "logs:PutLogEvents", On: "the function's own log group", Feature: "log", Why: "write the log", Roles: both, Silent: byLambda},

	{Action: "lambda:GetFunctionConfiguration", On: "trailwarden's two functions", Feature: "self-watch", Why: "see that code, role, environment and state are as deployed", Roles: both},
	{Action: "lambda:GetFunctionConcurrency", On: "trailwarden's two functions", Feature: "self-watch", Why: "see that nobody set the concurrency to 0", Roles: both},
	{Action: "lambda:ListEventSourceMappings", On: "everything: the call knows no resources", Feature: "self-watch", Why: "see that the queue still reaches the function", Roles: both},
	{Action: "scheduler:GetSchedule", On: "trailwarden's timer", Feature: "self-watch", Why: "see that the sweep is still started, and how often", Roles: both},
	{Action: "events:DescribeRule", On: "trailwarden's rule", Feature: "self-watch", Why: "see that the rule is on and takes every watched call", Roles: both},
	{Action: "events:ListTargetsByRule", On: "trailwarden's rule", Feature: "self-watch", Why: "see that the rule still reaches the queue", Roles: both},
	{Action: "iam:ListAttachedRolePolicies", On: "the roles of the two functions", Feature: "self-watch", Why: "see whether the kill switch is used", Roles: both},

	{Action: "lambda:InvokeFunction", On: "the function that sweeps", Feature: "sweep", Why: "start the sweep", Roles: []string{"timer"}, Silent: byScheduler},
	{Action: "events:PutEvents", On: "one bus: that in `EventBusArn` (react, sweep), the account's own (sweep, for the witness), the witness's (heartbeat), the home or the central bus (forward)", Feature: "channels, witness, forwarding", Why: "put incidents on a bus, and hand on heartbeats and events; nobody can put events that claim to be AWS's", Roles: []string{"react", "sweep", "heartbeat", "forward"}},
}

// Denial is what the functions may never do, whatever else is attached to their roles.
type Denial struct{ Actions, Why string }

// Denials are the explicit denies of the functions' roles: an explicit deny wins over every allow.
var Denials = []Denial{
	{"cloudtrail:StopLogging, cloudtrail:DeleteTrail", "trailwarden never records less; the calls are not even in the binary"},
	{"cloudtrail:DeregisterOrganizationDelegatedAdmin", "nor does it take the organization's trail from who runs it"},
	{"s3:DeleteObject*, s3:DeleteBucket*, s3:BypassGovernanceRetention", "logs are evidence"},
	{"kms:DisableKey, kms:ScheduleKeyDeletion, kms:CreateGrant", "a key that is gone makes logs unreadable, and ends their delivery"},
	{"iam:Add*, iam:Attach*, iam:Create*, iam:Delete*, iam:Detach*, iam:Put*, iam:Remove*, iam:Set*, iam:Update*", "its own roles and policies, and everybody else's"},
	{"lambda:Add*, lambda:Create*, lambda:Delete*, lambda:Put*, lambda:Remove*, lambda:Update*", "its own code and configuration"},
	{"events:Delete*, events:Disable*, events:PutRule, events:PutTargets, events:Remove*, scheduler:Delete*, scheduler:Update*", "its own rules and timer"},
	{"sqs:DeleteQueue, sqs:PurgeQueue, sqs:SetQueueAttributes, sqs:AddPermission, sqs:RemovePermission", "events that wait"},
	{"sns:DeleteTopic, sns:SetTopicAttributes, sns:Unsubscribe", "who is told"},
	{"dynamodb:BatchWriteItem, dynamodb:DeleteTable, dynamodb:UpdateTable, dynamodb:UpdateContinuousBackups", "the ledger is only ever added to, and `dynamodb:DeleteItem` does not reach its entries, incidents and evidence: old ones are pruned by people"},
	{"logs:Delete*, logs:PutRetentionPolicy", "its own log"},
}
