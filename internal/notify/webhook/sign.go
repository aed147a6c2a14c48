package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// keys sign messages.
type keys []func(text string) string

// sign lists the signatures of all keys, so that a receiver may know any one of them.
func (k keys) sign(text string) string {
	out := make([]string, len(k))
	for i, sign := range k {
		out[i] = sign(text)
	}
	return strings.Join(out, " ")
}

// parseKeys reads the keys. Its errors hold nothing of them.
func parseKeys(all secret.Value) (keys, error) {
	var out keys
	for text := range strings.FieldsSeq(all.Reveal()) {
		which := fmt.Sprintf("key %d", len(out)+1)
		kind, encoded, _ := strings.Cut(text, "_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, errors.New(which + " is not base64 after its prefix")
		}
		switch kind {
		case "whsec":
			if len(key) < 24 || len(key) > 64 {
				return nil, fmt.Errorf("%s has %d bytes, and wants 24 to 64", which, len(key))
			}
			out = append(out, func(text string) string {
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(text))
				return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
			})
		case "whsk":
			private, err := privateKey(key)
			if err != nil {
				return nil, fmt.Errorf("%s %w", which, err)
			}
			out = append(out, func(text string) string {
				return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(text)))
			})
		default:
			return nil, errors.New(which + " begins with neither whsec_ nor whsk_")
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it is not set: make one with `echo whsec_$(openssl rand -base64 32)`")
	}
	return out, nil
}

// privateKey is an ed25519 key of its seed, or of seed and public key as most libraries keep them.
func privateKey(key []byte) (ed25519.PrivateKey, error) {
	switch len(key) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(key), nil
	case ed25519.PrivateKeySize:
		private := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
		if !private.Equal(ed25519.PrivateKey(key)) {
			return nil, errors.New("has a public half that does not belong to its seed")
		}
		return private, nil
	}
	return nil, fmt.Errorf("has %d bytes, and wants 32 or 64", len(key))
}
