package trace

import (
	"net/netip"
	"strconv"
	"strings"
)

// internalRequest is Envoy's test for a request from inside, x-envoy-internal: over
// one hop from an address that counts as internal. Where the connection manager is
// not at the edge, it believes the header.
func (h *hop) internalRequest() bool {
	edge := h.manager.config.GetUseRemoteAddress().GetValue()
	if !edge && h.header("x-envoy-internal") == "true" {
		return true
	}
	return h.singleAddress && h.isInternal(h.attrs.Source.Addr())
}

// isInternal tells by internal_address_config. Without one no address is internal,
// and before Envoy 1.33 those of private networks were.
func (h *hop) isInternal(ip netip.Addr) bool {
	if config := h.manager.config.GetInternalAddressConfig(); len(config.GetCidrRanges()) > 0 {
		for _, r := range config.GetCidrRanges() {
			address, err := netip.ParseAddr(r.GetAddressPrefix())
			if err != nil {
				continue
			}
			prefix, err := address.Prefix(int(r.GetPrefixLen().GetValue()))
			if err == nil && prefix.Contains(ip) {
				return true
			}
		}
		return false
	}
	return trustsPrivate(h.view.proxy.EnvoyVersion) && (ip.IsPrivate() || ip.IsLoopback())
}

// trustsPrivate reports whether an Envoy of this version takes private addresses for
// internal. One whose version is not known is taken for a new one.
func trustsPrivate(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	return major == "1" && err == nil && n < 33
}
