package trace

import (
	"maps"
	"slices"
	"strings"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// networkRBAC evaluates an RBAC filter on the connection.
func (h *hop) networkRBAC(f *networkFilter) bool {
	return h.authorize(f.Name, networkRBACName, f.rbac, func(v rbac.Verdict, reason string) bool {
		return h.close(Denied, "", v.Details, reason+": the connection is closed")
	})
}

// httpRBAC evaluates an RBAC filter on the request.
func (h *hop) httpRBAC(f *httpFilter, over perRoute) bool {
	filter := f.rbac
	if over.rbac != nil {
		filter = over.rbac
	}
	return h.authorize(f.Name, httpRBACName, filter, func(v rbac.Verdict, reason string) bool {
		h.routeSteps()
		return h.reply(Denied, v.Status, "", v.Details, reason)
	})
}

// The keys of the dynamic metadata that RBAC filters set, whatever their names.
const (
	httpRBACName    = "envoy.filters.http.rbac"
	networkRBACName = "envoy.filters.network.rbac"
)

// authorize adds the decision of an RBAC filter as a step, and ends the hop by deny
// where it refuses.
func (h *hop) authorize(name, metadata string, filter *rbac.Filter, deny func(rbac.Verdict, string) bool) bool {
	v := filter.Decide(&h.attrs)
	h.shadow(name, filter, v)
	h.shadowMetadata(metadata, filter, v)
	if filter.Enforced == nil {
		return true
	}
	step := h.filterStep(name, decisionWords(v.Decision))
	h.passedOver(step, v.Passed)
	step.Object = h.walk.engine.policy(v.Policy)
	step.Authorization = &Authorization{Allowed: v.Allowed, Action: v.Action.String(), Policy: v.Policy, Passed: v.Passed, Open: v.Unknown}
	switch v.Allowed {
	case match.Yes:
		return true
	case match.Unknown:
		for _, what := range v.Unknown {
			h.unknown("policy "+what, name+" can refuse the request with 403")
		}
		return true
	}
	h.out.Outcome.Policy = v.Policy
	return deny(v, step.Reason)
}

// shadow notes what rules would do that are not enforced.
func (h *hop) shadow(name string, filter *rbac.Filter, v rbac.Verdict) {
	if v.Shadow == nil {
		return
	}
	if strings.HasPrefix(filter.ShadowPrefix, "istio_ext_authz") {
		h.custom(name, v.Shadow)
		return
	}
	h.filterStep(name, "shadow rules, not enforced: "+decisionWords(*v.Shadow))
}

// custom notes which CUSTOM policy applies. They never refuse by themselves: the
// ext_authz filter behind them asks a server.
func (h *hop) custom(name string, d *rbac.Decision) {
	reason := "no CUSTOM policy applies"
	switch {
	case d.Policy != "":
		reason = "CUSTOM policy " + policyLabel(d.Policy) + " applies: ext_authz asks its server"
	case len(d.Unknown) > 0:
		reason = "open: " + strings.Join(d.Unknown, "; ")
	}
	step := h.filterStep(name, reason)
	step.Object = h.walk.engine.policy(d.Policy)
	step.Authorization = &Authorization{Allowed: match.Yes, Action: "CUSTOM", Policy: d.Policy, Passed: d.Passed}
	h.passedOver(step, d.Passed)
}

// passedOver lists the policies that did not match.
func (h *hop) passedOver(step *Step, passed []rbac.PolicyMiss) {
	if !h.why() {
		return
	}
	for _, p := range passed {
		step.Rejected = append(step.Rejected, Rejected{Candidate: policyLabel(p.Policy), Condition: p.Miss.Condition, Want: p.Miss.Want, Got: p.Miss.Got})
	}
}

// shadowMetadata sets the dynamic metadata by which CUSTOM policies switch on the
// ext_authz filter behind them.
func (h *hop) shadowMetadata(key string, filter *rbac.Filter, v rbac.Verdict) {
	if v.Shadow == nil {
		return
	}
	known := maps.Clone(h.attrs.Metadata)
	if known == nil {
		known = map[string]*structpb.Struct{}
	}
	h.attrs.Metadata = known
	if len(v.Shadow.Unknown) > 0 {
		delete(known, key)
		return
	}
	fields := maps.Clone(known[key].GetFields())
	if fields == nil {
		fields = map[string]*structpb.Value{}
	}
	if v.Shadow.Policy != "" {
		fields[filter.ShadowPrefix+"shadow_effective_policy_id"] = structpb.NewStringValue(v.Shadow.Policy)
	}
	known[key] = &structpb.Struct{Fields: fields}
}

// extAuthz notes that a server decides, unless metadata switches the filter off.
func (h *hop) extAuthz(layer string, f mesh.Filter, enabled *matcherv3.MetadataMatcher) {
	if enabled != nil && match.CompileMetadata("filter_enabled_metadata", enabled).Match(h.attrs.Metadata).Outcome == match.No {
		return
	}
	const effect = "an external service can refuse the request or change its headers"
	h.unknownFilter(layer, f, effect)
	h.filterStep(f.Name, effect).Authorization = &Authorization{Allowed: match.Unknown, Open: []string{effect}}
}

// decisionWords says a decision and what made it.
func decisionWords(d rbac.Decision) string {
	action := d.Action.String()
	switch {
	case d.Allowed == match.Unknown:
		return "open: " + strings.Join(d.Unknown, "; ")
	case d.Allowed == match.Yes && d.Policy != "":
		return "allowed by " + action + " policy " + policyLabel(d.Policy)
	case d.Allowed == match.Yes:
		return "allowed: no " + action + " policy applies"
	case d.Policy != "":
		return "denied by " + action + " policy " + policyLabel(d.Policy)
	}
	return "denied: no " + action + " policy applies"
}

// policyLabel is the Istio policy behind an Envoy policy, or its own name.
func policyLabel(name string) string {
	if namespace, policy, _, ok := rbac.ParsePolicyName(name); ok {
		return namespace + "/" + policy
	}
	return name
}

// authenticate evaluates a jwt_authn filter.
func (h *hop) authenticate(f *httpFilter, over perRoute) bool {
	config, _ := over.config.(*jwtv3.PerRouteConfig)
	v := f.jwt.Decide(&h.attrs, config, h.walk.engine.capture.AsOf)
	for _, what := range v.Unknown {
		h.unknown("JWT", what)
	}
	for _, what := range v.Assumed {
		h.unknown("JWT", what)
	}
	h.attrs.Metadata[rbac.JWTFilterName] = v.Metadata
	decision := &Authorization{Allowed: v.Allowed, Open: slices.Concat(v.Unknown, v.Assumed)}
	if v.Allowed != match.No {
		h.attrs.Headers = v.Headers
		if len(v.Assumed) > 0 {
			h.filterStep(f.Name, "accepts the token if its signature is good").Authorization = decision
		} else if len(v.Unknown) > 0 {
			h.filterStep(f.Name, "open: "+strings.Join(v.Unknown, "; ")).Authorization = decision
		}
		return true
	}
	reason := "the JWT filter refuses the request: " + v.Reason
	h.filterStep(f.Name, reason).Authorization = decision
	h.routeSteps()
	return h.reply(Denied, v.Status, "", v.Details, reason)
}
