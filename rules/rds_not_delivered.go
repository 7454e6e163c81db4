package rules

import (
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// RDSNotDelivered reports route configurations that a listener asks for and that
// never came.
var RDSNotDelivered = &analyze.Rule{
	Name:       "rds-not-delivered",
	Code:       "SYN05",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedBootstrap, analyze.NeedListeners, analyze.NeedRoutes},
	Doc: analyze.Doc{
		Title: "a listener asks for a route configuration that was never delivered",
		Finds: "`rds.route_config_name` of HTTP connection managers in active listeners without an entry of that name in `dynamic_route_configs`.",
		Hurts: "The listener accepts connections and has no route: every HTTP request on it gets 404 with response flag NR.",
		Example: `"rds": {"config_source": {"ads": {}}, "route_config_name": "http.8080"}
# and RoutesConfigDump has no "http.8080"`,
		Silent: "listeners that warm: they wait for their routes and do not serve yet (`resource-stuck-warming`). Connection managers with inline routes or SRDS. Dumps that were filtered by name, which lack static clusters too.",
		Fix:    "see whether istiod refused to build it (its log, push_status) or Envoy refused to take it (xds-resource-rejected): one bad route configuration holds back the others of its response",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/rds",
			"https://github.com/istio/istio/issues/36136",
		},
	},
	Run: runRDSNotDelivered,
}

func runRDSNotDelivered(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		delivered := map[string]bool{}
		for _, r := range p.Routes {
			if r.State == mesh.Active && r.Origin == mesh.Dynamic {
				delivered[r.Name()] = true
			}
		}
		missing := map[string][]analyze.Location{}
		var names []string
		for _, r := range activeListeners(p) {
			for _, name := range referencesOf(pass, r).routes {
				if delivered[name] {
					continue
				}
				if missing[name] == nil {
					names = append(names, name)
				}
				missing[name] = append(missing[name], analyze.Location{Ref: p.Ref(mesh.Listener, r.Name()), Source: r.Source, Message: "asks for it"})
			}
		}
		for _, name := range names {
			pass.Report(analyze.Finding{
				Ref:     p.Ref(mesh.Route, name),
				Source:  missing[name][0].Source,
				Message: fmt.Sprintf("%s was never delivered, though listener %s asks for it: its HTTP requests get 404 (NR)", name, missing[name][0].Ref.Name),
				Essence: "not delivered",
				Related: missing[name],
			})
		}
	}
}
