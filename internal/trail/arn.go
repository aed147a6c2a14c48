package trail

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ARN identifies a trail: trails of one name in two Regions are two trails. It is comparable, so it
// serves as a key.
type ARN struct {
	Partition string // "aws", "aws-cn", "aws-us-gov", …
	Region    string // the trail's home Region: the only place where it can be changed
	Account   string // the owner: for an organization trail the management account
	Name      string
}

func (a ARN) String() string {
	return "arn:" + a.Partition + ":cloudtrail:" + a.Region + ":" + a.Account + ":trail/" + a.Name
}

// MarshalText makes an ARN a string in JSON and YAML.
func (a ARN) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (a *ARN) UnmarshalText(text []byte) error {
	parsed, err := ParseARN(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

var (
	partitionForm = regexp.MustCompile(`^aws(-[a-z0-9]+)*$`)
	regionForm    = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}[a-z]?$`)
	accountForm   = regexp.MustCompile(`^[0-9]{12}$`)
	nameForm      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	addressForm   = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){3}$`)
)

// ParseARN reads "arn:PARTITION:cloudtrail:REGION:ACCOUNT:trail/NAME" and holds each part against its grammar.
func ParseARN(s string) (ARN, error) {
	// A longer text cannot be a trail's ARN, and must not reach the message of an error.
	if len(s) > 512 {
		return ARN{}, errors.New("parse trail ARN: too long")
	}
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "cloudtrail" {
		return ARN{}, fmt.Errorf("parse trail ARN: %q is not of the form arn:PARTITION:cloudtrail:REGION:ACCOUNT:trail/NAME", s)
	}
	name, ok := strings.CutPrefix(part[5], "trail/")
	if !ok {
		return ARN{}, fmt.Errorf("parse trail ARN: %q does not name a trail", s)
	}
	a := ARN{Partition: part[1], Region: part[3], Account: part[4], Name: name}
	return a, a.Check()
}

// Check holds each part of the ARN against the grammar that AWS documents.
func (a ARN) Check() error {
	switch {
	case !partitionForm.MatchString(a.Partition):
		return fmt.Errorf("check trail ARN: %q is no partition", a.Partition)
	case !regionForm.MatchString(a.Region):
		return fmt.Errorf("check trail ARN: %q is no Region", a.Region)
	case !accountForm.MatchString(a.Account):
		return fmt.Errorf("check trail ARN: %q is no 12-digit account id", a.Account)
	}
	return CheckName(a.Name)
}

// CheckName holds a trail's name against CloudTrail's rules: 3 to 128 ASCII letters, digits, '.', '_'
// and '-', beginning and ending with a letter or digit, no two separators side by side, not an IP address.
func CheckName(name string) error {
	if len(name) < 3 || len(name) > 128 {
		return fmt.Errorf("check trail name: %d characters, want 3 to 128", len(name))
	}
	if !nameForm.MatchString(name) || addressForm.MatchString(name) {
		return fmt.Errorf("check trail name: %q is not a name that CloudTrail allows", name)
	}
	for i := 1; i < len(name); i++ {
		if strings.IndexByte("._-", name[i]) >= 0 && strings.IndexByte("._-", name[i-1]) >= 0 {
			return fmt.Errorf("check trail name: %q has two separators side by side", name)
		}
	}
	return nil
}

// Resolve makes an ARN of what a caller typed: an ARN stays as it is, a bare name belongs to the
// given Region and account.
func Resolve(typed, region, account string) (ARN, error) {
	if strings.HasPrefix(typed, "arn:") {
		return ParseARN(typed)
	}
	a := ARN{Partition: PartitionOf(region), Region: region, Account: account, Name: typed}
	return a, a.Check()
}

// PartitionOf tells the partition of a Region by its prefix.
func PartitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b",
		"eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f", "eusc-": "aws-eusc",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// GlobalRegion is where a partition has those services of which it has one for all Regions, such as IAM, and where their events
// are recorded: a trail of another Region alone never has them.
func GlobalRegion(partition string) string {
	switch partition {
	case "aws-cn":
		return "cn-northwest-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-east-1"
}
