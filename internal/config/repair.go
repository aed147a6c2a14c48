package config

var repairKeys = []Key{
	{
		Name: "repair", Default: "all",
		Doc:    "What is repaired: all that the baseline opens for repair, or only stopped trails, while the rest is told.",
		Values: []string{"all", "start"}, Want: "a scope of repairs",
		Hint: `use "all" or "start"`,
		at:   func(c *Config) any { return &c.Repair },
	},
	{
		Name: "repair_budget", Default: "300", Example: "50",
		Doc:  "How many calls that change something are made in an hour, over all trails, besides StartLogging; 0 means any number.",
		Form: `^[0-9]{1,6}$`, Want: "a number of calls", Hint: "putting back one deleted trail takes about eight",
		at: func(c *Config) any { return &c.RepairBudget },
	},
	{
		Name:    "restore_role_arn",
		Doc:     "Role that every repair but StartLogging is made with, narrowed to the one trail; none means the role or user that trailwarden runs as.",
		Example: "arn:aws:iam::111122223333:role/trailwarden-restore",
		Form:    `^(arn:aws(-[a-z0-9]+)*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512})?$`,
		Want:    "the ARN of an IAM role",
		Hint:    "`aws iam get-role --role-name NAME` prints it: arn:aws:iam::ACCOUNT:role/NAME",
		at:      func(c *Config) any { return &c.RestoreRoleARN },
	},
	{
		Name:    "member_role",
		Doc:     "Name of the role with which trails of other accounts are read and repaired; the first of the accounts is then the one that trailwarden runs in.",
		Example: "trailwarden-member",
		Form:    `^[A-Za-z0-9_+=,.@/-]{0,512}$`,
		Want:    "the name of an IAM role",
		Hint:    "it is the role of deploy/cloudformation/member-role.yaml: trailwarden-member",
		at:      func(c *Config) any { return &c.MemberRole },
	},
	{
		Name:    "remediators",
		Doc:     "Users and roles that other systems, such as Terraform, set trails with: a lesser setting that one of them keeps writing over the repair is left to it for six hours, and told.",
		Example: "arn:aws:iam::111122223333:role/terraform",
		Form:    `^arn:aws(-[a-z0-9]+)*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]{1,512}$`,
		Want:    "the ARN of an IAM user or role",
		Hint:    "the message of a contested repair names it; a role as arn:aws:iam::ACCOUNT:role/PATH/NAME, without the name of a session",
		at:      func(c *Config) any { return &c.Remediators },
	},
}
