package rbac

import (
	"strings"
	"unicode"

	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	networkrbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// Filter is a compiled envoy.filters.http.rbac or envoy.filters.network.rbac.
type Filter struct {
	// Enforced decides; nil allows everything.
	Enforced *Engine
	// Shadow is only reported, in statistics and dynamic metadata; nil where there
	// are no shadow rules. Istio's CUSTOM policies are shadow rules: they make the
	// ext_authz filter behind them ask its server.
	Shadow *Engine
	// ShadowPrefix is shadow_rules_stat_prefix: "istio_ext_authz_" for CUSTOM
	// policies, "istio_dry_run_allow_" or "istio_dry_run_deny_" for dry runs.
	ShadowPrefix string
	http         bool
}

// HTTPFilter returns the HTTP filter. A matcher tree goes before rules.
func HTTPFilter(config *httprbacv3.RBAC) *Filter {
	return &Filter{
		Enforced: engineOf(CompileMatcher(config.GetMatcher()), Compile(config.GetRules())),
		Shadow:   engineOf(CompileMatcher(config.GetShadowMatcher()), Compile(config.GetShadowRules())),

		ShadowPrefix: config.GetShadowRulesStatPrefix(),
		http:         true,
	}
}

// PerRoute returns the filter that replaces the HTTP filter on a route. Without
// an RBAC in it the route is not protected.
func PerRoute(config *httprbacv3.RBACPerRoute) *Filter { return HTTPFilter(config.GetRbac()) }

// NetworkFilter returns the network filter. Envoy asks it when the first bytes of
// the client arrive: a connection without any is not refused.
func NetworkFilter(config *networkrbacv3.RBAC) *Filter {
	return &Filter{
		Enforced: engineOf(CompileMatcher(config.GetMatcher()), Compile(config.GetRules())),
		Shadow:   engineOf(CompileMatcher(config.GetShadowMatcher()), Compile(config.GetShadowRules())),

		ShadowPrefix: config.GetShadowRulesStatPrefix(),
	}
}

func engineOf(tree, rules *Engine) *Engine {
	if tree != nil {
		return tree
	}
	return rules
}

// Verdict is what a Filter does with a request or a connection.
type Verdict struct {
	Decision
	// Shadow is the decision of the shadow rules; nil where there are none.
	Shadow *Decision
	// Status and Details are the local reply's, set where Allowed is not Yes. Status
	// is 403, and 0 for a connection that is closed; Details are
	// %RESPONSE_CODE_DETAILS%, or %CONNECTION_TERMINATION_DETAILS%. No response flag
	// goes with them.
	Status  int
	Details string
}

// Decide answers for one request or connection.
func (f *Filter) Decide(a *match.Attributes) Verdict {
	v := Verdict{Decision: f.Enforced.Decide(a)}
	if f.Shadow != nil {
		shadow := f.Shadow.Decide(a)
		v.Shadow = &shadow
	}
	if v.Allowed == match.Yes {
		return v
	}
	v.Details = details(v.Policy)
	if f.http {
		v.Status = 403
	}
	return v
}

// details is what Envoy's access log says of a denial. White space becomes an
// underscore, so that the log keeps its columns.
func details(policy string) string {
	if policy == "" {
		policy = "none"
	}
	return "rbac_access_denied_matched_policy[" + strings.Map(underscore, policy) + "]"
}

func underscore(r rune) rune {
	if r <= unicode.MaxASCII && unicode.IsSpace(r) {
		return '_'
	}
	return r
}
