package web

import (
	"fmt"
	"net/netip"
	"syscall"
)

// guard decides by the address that is dialled, after names were resolved: a name may lead anywhere, and elsewhere the
// next time.
type guard struct {
	allow []netip.Prefix
	only  bool // nothing but what is allowed
}

// control is a net.Dialer's Control.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Refused{address}
	}
	return g.check(to.Addr())
}

func (g guard) check(ip netip.Addr) error {
	ip = ip.WithZone("").Unmap()
	for _, p := range g.allow {
		if p.Contains(ip) {
			return nil
		}
	}
	if g.only || !public(ip) {
		return &Refused{ip.String()}
	}
	return nil
}

// Refused says that an address is none that channels may call.
type Refused struct{ Address string }

func (r *Refused) Error() string {
	return fmt.Sprintf("%s is no public address: if it is meant, put it into notify.allow_addresses", r.Address)
}

// special are addresses that no vendor has (IANA's registries of special-purpose addresses).
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
)

// global is what IPv6 addresses are given out from, and nat64 the prefix under which IPv4 addresses stand in IPv6-only
// networks: such an address is what its last four bytes are.
var (
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
)

func public(ip netip.Addr) bool {
	if nat64.Contains(ip) {
		b := ip.As16()
		return public(netip.AddrFrom4([4]byte(b[12:])))
	}
	if !ip.IsValid() || ip.Is6() && !global.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}
