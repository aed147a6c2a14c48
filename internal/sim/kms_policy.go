package sim

type keyPolicyInput struct{ KeyId, PolicyName, Policy string }

func (s *keys) putPolicy(c *call, in *keyPolicyInput) (any, error) {
	k, err := s.find(c, in.KeyId, false)
	if err == nil {
		err = policyNamed(in.PolicyName)
	}
	if err == nil {
		err = k.pending()
	}
	if err != nil {
		return nil, err
	}
	return nil, k.setPolicy(in.Policy)
}

func (s *keys) getPolicy(c *call, in *keyPolicyInput) (any, error) {
	k, err := s.find(c, in.KeyId, false)
	if err == nil {
		err = policyNamed(in.PolicyName)
	}
	if err != nil {
		return nil, err
	}
	return struct{ Policy, PolicyName string }{k.policyText, defaultName}, nil
}

// policyNamed: a key has one policy, named default; the name need not be given.
func policyNamed(name string) error {
	if name != "" && name != defaultName {
		return fail("NotFoundException", "No such policy exists")
	}
	return nil
}

func (k *key) setPolicy(text string) error {
	p, err := parsePolicy(text)
	if err != nil {
		return fail("MalformedPolicyDocumentException", "%s", err)
	}
	k.policy, k.policyText = p, text
	return nil
}

// letsCloudTrail says whether the policy lets CloudTrail look at the key and encrypt the log files of a trail with it.
func (k *key) letsCloudTrail(x *trail) bool {
	ask := func(action string, context map[string]string) bool {
		return k.policy.judge(policyRequest{service: "cloudtrail.amazonaws.com", action: action, resource: k.arn, context: context}) == allowed
	}
	context := map[string]string{
		"aws:sourcearn": x.arn, "aws:sourceaccount": x.account, "aws:securetransport": "true",
		"aws:principalisawsservice": "true", "aws:principalservicename": "cloudtrail.amazonaws.com",
		"kms:encryptioncontext:aws:cloudtrail:arn": x.arn,
	}
	return ask("kms:GenerateDataKey", context) && ask("kms:DescribeKey", context)
}
