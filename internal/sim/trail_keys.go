package sim

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"
)

// digestKey is the key pair with which CloudTrail signs the digest files of one Region.
type digestKey struct {
	private     *rsa.PrivateKey
	der         []byte // public key, PKCS #1
	fingerprint string
	from, to    time.Time
}

// digestKeyOf makes a Region's key when it is first asked for. It follows from the seed and the Region alone.
// Called with the lock held.
func (w *World) digestKeyOf(region string) *digestKey {
	if k := w.digestKeys[region]; k != nil {
		return k
	}
	source := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d/digest key/%s", w.opts.Seed, region)))
	k := &digestKey{private: rsaKey(source), from: w.opts.Start.Add(-historyKept), to: w.opts.Start.AddDate(10, 0, 0)}
	k.der = x509.MarshalPKCS1PublicKey(&k.private.PublicKey)
	sum := md5.Sum(k.der)
	k.fingerprint = hex.EncodeToString(sum[:])
	w.digestKeys[region] = k
	return k
}

// rsaKey makes a key of 2048 bits out of a source; crypto/rsa would not make the same one twice.
func rsaKey(source *rand.ChaCha8) *rsa.PrivateKey {
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, q := prime(source), prime(source)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
		k.Precompute()
		return k
	}
}

// prime draws a prime of 1024 bits, the two highest set, so that two of them make 2048.
func prime(source *rand.ChaCha8) *big.Int {
	b := make([]byte, 128)
	for i := 0; i < len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], source.Uint64())
	}
	b[0] |= 0xc0
	b[len(b)-1] |= 1
	p, two := new(big.Int).SetBytes(b), big.NewInt(2)
	for !p.ProbablyPrime(10) {
		p.Add(p, two)
	}
	return p
}

type publicKeysInput struct {
	StartTime, EndTime *epoch
	NextToken          string
}

// publicKeys lists the Region's key for digest files, if it was valid at some moment of the time asked for.
func (w *World) publicKeys(c *call, in *publicKeysInput) (any, error) {
	type publicKey struct {
		Value                              []byte
		ValidityStartTime, ValidityEndTime *epoch
		Fingerprint                        string
	}
	from, to := c.at, c.at
	if in.StartTime != nil {
		from = time.Time(*in.StartTime)
	}
	if in.EndTime != nil {
		to = time.Time(*in.EndTime)
	}
	switch {
	case in.NextToken != "":
		return nil, fail("InvalidTokenException", "Token is invalid.")
	case from.After(to):
		return nil, fail("InvalidTimeRangeException", "The start time is after the end time.")
	}
	out := struct{ PublicKeyList []publicKey }{[]publicKey{}}
	if k := w.digestKeyOf(c.region); !k.from.After(to) && !k.to.Before(from) {
		out.PublicKeyList = append(out.PublicKeyList, publicKey{k.der, epochOf(k.from), epochOf(k.to), k.fingerprint})
	}
	return out, nil
}
