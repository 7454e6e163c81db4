package rules

import (
	"fmt"
	"net/netip"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// AdminExposed reports admin interfaces that others than the pod can reach.
var AdminExposed = &analyze.Rule{
	Name:       "admin-exposed",
	Code:       "PRX01",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedBootstrap},
	Doc: analyze.Doc{
		Title:   "Envoy's admin interface listens on more than the loopback address",
		Finds:   "`admin.address.socket_address.address` of the bootstrap that is no loopback address.",
		Hurts:   "Nothing as long as nobody comes. Whoever reaches the port can stop Envoy (`/quitquitquit`), drain it, and read its whole configuration with all hosts: the interface has neither authentication nor encryption.",
		Example: `"admin": {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 15000}}}`,
		Silent:  "loopback addresses and unix sockets, which are what Istio sets. A firewall or NetworkPolicy before the port is not in the capture.",
		Fix:     "bind it to 127.0.0.1, or to a unix socket",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/operations/admin",
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge",
		},
	},
	Run: runAdminExposed,
}

func runAdminExposed(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		// Peek: each proxy has a bootstrap of its own, and decoding them all is dear.
		socket := p.Bootstrap.PeekRaw("admin", "address", "socket_address")
		address, err := netip.ParseAddr(rawjson.GetText(socket, "address"))
		if err != nil || address.Unmap().IsLoopback() {
			continue
		}
		pass.Report(analyze.Finding{
			Ref:     p.Ref(mesh.Bootstrap, p.Bootstrap.Name()),
			Source:  p.Bootstrap.Source,
			Message: fmt.Sprintf("%s port %s is where the admin interface listens: others than the pod can reach it", address, rawjson.Get(socket, "port_value")),
			Essence: "exposed",
		})
	}
}
