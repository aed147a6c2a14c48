package sim

import (
	"slices"
	"strings"
)

const tagsPerTrail = 50

type tag struct {
	Key   string
	Value string `json:",omitempty"`
}

type tagsInput struct {
	ResourceId string
	TagsList   []tag
}

func (t *trails) addTags(c *call, in *tagsInput) (any, error) {
	x, err := t.forTags(c, in.ResourceId)
	if err == nil {
		err = t.onBehalf(c, x.account)
	}
	if err != nil {
		return nil, err
	}
	tags, err := withTags(x.tags, in.TagsList)
	if err != nil {
		return nil, err
	}
	x.tags = tags
	t.changed(c, x.arn)
	return nil, nil
}

func (t *trails) removeTags(c *call, in *tagsInput) (any, error) {
	x, err := t.forTags(c, in.ResourceId)
	if err == nil {
		err = t.onBehalf(c, x.account)
	}
	if err != nil {
		return nil, err
	}
	x.tags = slices.DeleteFunc(slices.Clone(x.tags), func(have tag) bool {
		return slices.ContainsFunc(in.TagsList, func(gone tag) bool { return gone.Key == have.Key })
	})
	t.changed(c, x.arn)
	return nil, nil
}

type listTagsInput struct {
	ResourceIdList []string
	NextToken      string
}

// listTags is not paginated here: all of at most 20 trails go on one page.
func (t *trails) listTags(c *call, in *listTagsInput) (any, error) {
	type resourceTags struct {
		ResourceId string
		TagsList   []tag
	}
	if in.NextToken != "" {
		return nil, fail("InvalidTokenException", "Token is invalid.")
	}
	if n := len(in.ResourceIdList); n == 0 || n > 20 {
		return nil, fail("ValidationException", "ResourceIdList must have 1 to 20 members.")
	}
	list := []resourceTags{}
	for _, arn := range in.ResourceIdList {
		x, err := t.forTags(c, arn)
		if err == nil && x.account != c.account && !t.world.organizationOf(c.account).manages(c.account) {
			err = wrongAccount(c)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, resourceTags{x.arn, append([]tag{}, x.tags...)})
	}
	return struct{ ResourceTagList []resourceTags }{list}, nil
}

// forTags finds a trail for the tag operations: by ARN only, in its home Region only.
func (t *trails) forTags(c *call, arn string) (*trail, error) {
	c.resources = append(c.resources, recordResource{"AWS::CloudTrail::Trail", arn})
	if !strings.HasPrefix(arn, "arn:") {
		return nil, fail("CloudTrailARNInvalidException", "Invalid ARN: %s", arn)
	}
	if part := strings.SplitN(arn, ":", 6); len(part) == 6 && part[2] == "cloudtrail" && !strings.HasPrefix(part[5], "trail/") {
		return nil, fail("ResourceTypeNotSupportedException", "Only trails are part of this simulated AWS: %s", arn)
	}
	if _, err := t.resolve(c, arn); err != nil {
		return nil, err
	}
	x := t.byARN[arn]
	if c.op.effect == reads {
		x = t.seen(c, arn)
	}
	if x == nil || x.home != c.region {
		return nil, fail("ResourceNotFoundException", "Resource not found: %s", arn)
	}
	return x, nil
}

// withTags adds tags to a list or overwrites their values, in a new list.
func withTags(list, add []tag) ([]tag, error) {
	out := slices.Clone(list)
	for i, n := range add {
		wrong := n.Key == "" || len(n.Key) > 128 || len(n.Value) > 256 || strings.HasPrefix(strings.ToLower(n.Key), "aws:")
		if wrong || slices.ContainsFunc(add[:i], func(o tag) bool { return o.Key == n.Key }) {
			return nil, fail("InvalidTagParameterException", "Tag is not valid: %q", n.Key)
		}
		if j := slices.IndexFunc(out, func(o tag) bool { return o.Key == n.Key }); j >= 0 {
			out[j].Value = n.Value
		} else {
			out = append(out, n)
		}
	}
	if len(out) > tagsPerTrail {
		return nil, fail("TagsLimitExceededException", "A trail can have at most %d tags.", tagsPerTrail)
	}
	return out, nil
}
