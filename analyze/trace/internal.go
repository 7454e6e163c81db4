package trace

import (
	"net/netip"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	customheaderv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/custom_header/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// trustedAddress is the client's address: the peer's, or an entry of
// x-forwarded-for where the connection manager trusts it.
func (h *hop) trustedAddress(config *hcmv3.HttpConnectionManager) netip.AddrPort {
	direct := h.attrs.Source
	skip := int(config.GetXffNumTrustedHops())
	if config.GetUseRemoteAddress().GetValue() {
		if skip == 0 {
			return direct
		}
		skip--
	} else if extensions := config.GetOriginalIpDetectionExtensions(); len(extensions) > 0 {
		return h.detectedAddress(extensions)
	}
	forwarded, _ := h.attrs.Headers.Get("x-forwarded-for")
	entries := strings.Split(forwarded, ",")
	if skip >= len(entries) {
		return direct
	}
	ip, err := netip.ParseAddr(strings.TrimSpace(entries[len(entries)-1-skip]))
	if err != nil {
		return direct
	}
	h.singleAddress = len(entries) == 1 && config.GetXffNumTrustedHops() == 0
	return netip.AddrPortFrom(ip.Unmap(), 0)
}

// detectedAddress is what the first of some original_ip_detection_extensions finds,
// in place of x-forwarded-for; else it is the peer's.
func (h *hop) detectedAddress(extensions []*corev3.TypedExtensionConfig) netip.AddrPort {
	for _, e := range extensions {
		config, ok := mesh.Unpack(e.GetName(), e.GetTypedConfig()).Config.(*customheaderv3.CustomHeaderConfig)
		if !ok || config.GetRejectWithStatus() != nil {
			h.unknown("original_ip_detection_extensions", "which address counts as the client's")
			return h.attrs.Source
		}
		if ip, err := netip.ParseAddr(h.header(config.GetHeaderName())); err == nil {
			h.singleAddress = config.GetAllowExtensionToSetAddressAsTrusted()
			return netip.AddrPortFrom(ip.Unmap(), 0)
		}
	}
	return h.attrs.Source
}

// internalRequest is Envoy's test for a request from inside: over one hop, from an
// address that counts as internal.
func (h *hop) internalRequest() bool {
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
