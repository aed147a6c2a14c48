package sim

import (
	"maps"
	"slices"
	"strings"
)

type aliasInput struct{ AliasName, TargetKeyId string }

func (s *keys) createAlias(c *call, in *aliasInput) (any, error) {
	if !aliasName.MatchString(in.AliasName) || strings.HasPrefix(in.AliasName, "alias/aws/") {
		return nil, fail("InvalidAliasNameException", "Alias must start with the prefix \"alias/\", and not with \"alias/aws/\".")
	}
	arn := c.arn("kms", in.AliasName)
	if s.aliases[arn] != nil {
		return nil, fail("AlreadyExistsException", "An alias with the name %s already exists", arn)
	}
	k, err := s.find(c, in.TargetKeyId, false)
	if err == nil {
		err = k.pending()
	}
	if err != nil {
		return nil, err
	}
	s.aliases[arn] = &alias{arn: arn, name: in.AliasName, target: k.arn, made: c.at, updated: c.at}
	return nil, nil
}

// updateAlias points an alias to another key. What was saved with the alias before keeps the old key.
func (s *keys) updateAlias(c *call, in *aliasInput) (any, error) {
	a := s.aliases[c.arn("kms", in.AliasName)]
	if a == nil {
		return nil, fail("NotFoundException", "Alias %s is not found.", c.arn("kms", in.AliasName))
	}
	k, err := s.find(c, in.TargetKeyId, false)
	if err == nil {
		err = k.pending()
	}
	if err != nil {
		return nil, err
	}
	a.target, a.updated = k.arn, c.at
	return nil, nil
}

// listAliases lists those of the Region, or those of one key, on one page.
func (s *keys) listAliases(c *call, in *keyInput) (any, error) {
	type one struct {
		AliasName, AliasArn, TargetKeyId string
		CreationDate, LastUpdatedDate    *epoch
	}
	target := ""
	if in.KeyId != "" {
		k, err := s.find(c, in.KeyId, false)
		if err != nil {
			return nil, err
		}
		target = k.arn
	}
	out := struct {
		Aliases   []one
		Truncated bool
	}{Aliases: []one{}}
	for _, arn := range slices.Sorted(maps.Keys(s.aliases)) {
		a := s.aliases[arn]
		if strings.HasPrefix(arn, c.arn("kms", "alias/")) && (target == "" || a.target == target) {
			out.Aliases = append(out.Aliases, one{a.name, a.arn, a.target[strings.LastIndexByte(a.target, '/')+1:], epochOf(a.made), epochOf(a.updated)})
		}
	}
	return out, nil
}
