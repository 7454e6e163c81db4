package rules

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ECDSNotDelivered reports filters whose configuration never came.
var ECDSNotDelivered = &analyze.Rule{
	Name:       "ecds-not-delivered",
	Code:       "SYN07",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedBootstrap, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a filter waits for a configuration (ECDS) that was never delivered",
		Finds: "Filters with `config_discovery` in active listeners (network, listener and HTTP filters) without a configuration of their name in `EcdsConfigDump`. istiod uses them for WasmPlugins and for EnvoyFilters on extension configurations.",
		Hurts: "Envoy puts a filter that fails in its place: every HTTP request gets 500 with response flag NFCF (no filter configuration found), a TCP connection is closed.",
		Example: `{"name": "default.basic-auth", "config_discovery": {
  "config_source": {"ads": {}, "initial_fetch_timeout": "5s"}, "type_urls": ["...wasm.v3.Wasm"]}}
# and EcdsConfigDump has no "default.basic-auth"`,
		Silent: "filters with a `default_config`, which serves until then; dumps without any `EcdsConfigDump`, which old Envoys and filtered dumps lack; listeners that warm (`resource-stuck-warming`).",
		Fix:    "for a WasmPlugin see the log of istio-proxy for the download of its image (URL, imagePullSecret, sha256), or let failures pass with failStrategy FAIL_OPEN",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension",
			"https://github.com/envoyproxy/envoy/issues/20086",
		},
	},
	Run: runECDSNotDelivered,
}

// discovered is a filter whose configuration comes by ECDS.
type discovered struct {
	name string
	// path is the filter chain that it stands in.
	path string
}

func runECDSNotDelivered(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if !p.Has(mesh.Extension) {
			continue
		}
		delivered := map[string]bool{}
		for _, r := range p.Extensions {
			if r.State == mesh.Active && r.PeekRaw("typed_config") != nil {
				delivered[r.Name()] = true
			}
		}
		for _, r := range activeListeners(p) {
			reported := map[string]bool{}
			for _, d := range analyze.Once(pass, r.Content, func() []discovered { return discoveredFilters(pass, r) }) {
				if delivered[d.name] || reported[d.name] {
					continue
				}
				reported[d.name] = true
				in := analyze.Location{Ref: p.Ref(mesh.Listener, r.Name()), Source: r.Source, Message: "asks for it"}
				in.Ref.Path = d.path
				pass.Report(analyze.Finding{
					Ref:     p.Ref(mesh.Extension, d.name),
					Source:  r.Source,
					Message: fmt.Sprintf("%s was never delivered, though listener %s asks for it: what passes the filter fails", d.name, r.Name()),
					Essence: "not delivered",
					Related: []analyze.Location{in},
				})
			}
		}
	}
}

// discoveredFilters lists the filters that have no configuration of their own to
// fall back on.
func discoveredFilters(pass *analyze.Pass, r *mesh.Resource) []discovered {
	listener, err := r.Listener()
	if err != nil {
		return nil
	}
	var out []discovered
	add := func(name, path string, source *corev3.ExtensionConfigSource) {
		if source != nil && source.GetDefaultConfig() == nil {
			out = append(out, discovered{name, path})
		}
	}
	for _, f := range listener.GetListenerFilters() {
		add(f.GetName(), "", f.GetConfigDiscovery())
	}
	for _, chain := range filterChains(pass, r) {
		path := chain.nameOrKind()
		for _, f := range chain.GetFilters() {
			add(f.GetName(), path, f.GetConfigDiscovery())
		}
		for _, f := range chain.manager.GetHttpFilters() {
			if !f.GetDisabled() {
				add(f.GetName(), path, f.GetConfigDiscovery())
			}
		}
	}
	return out
}
