package securityhub

// Finding is what we say of a finding in ASFF, the AWS Security Finding Format, in the order of the alphabet.
type Finding struct {
	Action          *Action `json:",omitempty"`
	AccountID       string  `json:"AwsAccountId"`
	CompanyName     string
	CreatedAt       string
	Description     string
	Provider        Provider `json:"FindingProviderFields"`
	FirstObservedAt string   `json:",omitempty"`
	GeneratorID     string   `json:"GeneratorId"`
	ID              string   `json:"Id"`
	LastObservedAt  string   `json:",omitempty"`
	ProductARN      string   `json:"ProductArn"`
	ProductFields   map[string]string
	ProductName     string
	RecordState     string       // ACTIVE or ARCHIVED
	Remediation     *Remediation `json:",omitempty"`
	Resources       []Resource
	Sample          bool `json:",omitempty"` // of a drill
	SchemaVersion   string
	SourceURL       string `json:"SourceUrl,omitempty"`
	Title           string
	UpdatedAt       string
}

// Action is the call that the finding is about.
type Action struct {
	ActionType string
	Call       Call `json:"AwsApiCallAction"`
}

// Call is an API call of AWS.
type Call struct {
	API         string    `json:"Api"`
	CallerType  string    `json:",omitempty"` // remoteIp or domain
	Domain      *Domain   `json:"DomainDetails,omitempty"`
	FirstSeen   string    `json:",omitempty"`
	LastSeen    string    `json:",omitempty"`
	RemoteIP    *RemoteIP `json:"RemoteIpDetails,omitempty"`
	ServiceName string    `json:",omitempty"`
}

// Domain is the service of AWS that called.
type Domain struct{ Domain string }

// RemoteIP is where the call came from.
type RemoteIP struct {
	IPAddress string `json:"IpAddressV4"`
}

// Provider is what only the finding's provider sets.
type Provider struct {
	Severity Severity
	Types    []string
}

// Severity is ASFF's label, and our own word for it.
type Severity struct{ Label, Original string }

// Remediation is what to do next.
type Remediation struct{ Recommendation Recommendation }

// Recommendation is a text and a page about it.
type Recommendation struct {
	Text string
	URL  string `json:"Url,omitempty"`
}

// Resource is what the finding is about.
type Resource struct {
	ID        string `json:"Id"`
	Partition string `json:",omitempty"`
	Region    string `json:",omitempty"`
	Type      string
}

// imported is what Security Hub says of findings that were given to it.
type imported struct {
	FailedCount    int
	FailedFindings []failed
}

type failed struct{ ErrorCode, ErrorMessage string }

// change sets what a provider may not set by importing.
type change struct {
	FindingIdentifiers []identifier
	Note               *note `json:",omitempty"`
	Workflow           workflow
}

type identifier struct {
	ID         string `json:"Id"`
	ProductARN string `json:"ProductArn"`
}

type note struct{ Text, UpdatedBy string }

type workflow struct{ Status string }

type updated struct{ UnprocessedFindings []failed }
