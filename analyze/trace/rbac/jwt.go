package rbac

import (
	"maps"
	"slices"
	"strings"
	"time"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// JWTFilterName is the key of the dynamic metadata that the filter sets, whatever
// its instance is called.
const JWTFilterName = "envoy.filters.http.jwt_authn"

// JWTFilter is a compiled envoy.filters.http.jwt_authn. It verifies all of a token
// but its signature.
type JWTFilter struct {
	providers    map[string]*jwtv3.JwtProvider
	rules        []jwtRule
	named        map[string]verifier
	byState      bool // filter_state_rules
	bypassesCORS bool
}

type jwtRule struct {
	route    *match.Route
	verifier verifier
}

// JWTVerdict is what a JWTFilter does with a request.
type JWTVerdict struct {
	// Allowed is Unknown where it depends on the signature of a token.
	Allowed match.Outcome
	// Status and Details are the local reply's, set where Allowed is not Yes: 401, or
	// 403 for another audience, and %RESPONSE_CODE_DETAILS%.
	Status  int
	Details string
	// Reason is the body of that reply.
	Reason string
	// Metadata is what the filter puts into the dynamic metadata under
	// [JWTFilterName]: the claims of the tokens that pass, their signatures taken to
	// be good. It is never nil.
	Metadata *structpb.Struct
	// Headers are the request's behind the filter: without the tokens of providers
	// that do not forward them.
	Headers request.Headers
	// Assumed says which signatures were taken to be good.
	Assumed []string
	// Unknown says what else is not known; where Allowed is No, which reply it is.
	Unknown []string
}

// JWT returns the filter.
func JWT(config *jwtv3.JwtAuthentication) *JWTFilter {
	f := &JWTFilter{
		providers:    config.GetProviders(),
		named:        map[string]verifier{},
		byState:      config.GetFilterStateRules() != nil,
		bypassesCORS: config.GetBypassCorsPreflight(),
	}
	for name, requirement := range config.GetRequirementMap() {
		f.named[name] = f.compileRequirement(requirement, 0)
	}
	for _, rule := range config.GetRules() {
		f.rules = append(f.rules, jwtRule{route: match.CompileRoute(rule.GetMatch()), verifier: f.ruleVerifier(rule)})
	}
	return f
}

func (f *JWTFilter) ruleVerifier(rule *jwtv3.RequirementRule) verifier {
	if rule.GetRequirementName() == "" {
		return f.compileRequirement(rule.GetRequires(), 0)
	}
	if named, ok := f.named[rule.GetRequirementName()]; ok {
		return named
	}
	return unmodelledRequirement("requirement " + rule.GetRequirementName() + " is not configured, which Envoy refuses")
}

// Decide answers for a request that takes a route with this configuration of its
// own, or nil. Tokens are judged as of a time; the zero time leaves open whether
// they are expired.
func (f *JWTFilter) Decide(a *match.Attributes, route *jwtv3.PerRouteConfig, asOf time.Time) JWTVerdict {
	if f.bypassesCORS && isPreflight(a) || route.GetDisabled() {
		return passed(a)
	}
	if name := route.GetRequirementName(); name != "" {
		named, ok := f.named[name]
		if !ok {
			return f.wrongName(name)
		}
		return run(named, a, asOf)
	}
	return f.decideByRules(a, asOf)
}

// decideByRules takes the first rule whose match holds.
func (f *JWTFilter) decideByRules(a *match.Attributes, asOf time.Time) JWTVerdict {
	for _, rule := range f.rules {
		result, _ := rule.route.Match(a)
		switch result.Outcome {
		case match.Yes:
			return run(rule.verifier, a, asOf)
		case match.Unknown:
			return open(a, "which rule applies: "+result.String())
		}
	}
	if f.byState {
		return open(a, "filter_state_rules: the filter state is not known")
	}
	return passed(a)
}

func passed(a *match.Attributes) JWTVerdict {
	return JWTVerdict{Allowed: match.Yes, Metadata: &structpb.Struct{}, Headers: a.Headers}
}

func open(a *match.Attributes, why string) JWTVerdict {
	v := JWTVerdict{Allowed: match.Unknown, Metadata: &structpb.Struct{}, Headers: a.Headers, Unknown: []string{why}}
	v.deny(jwtVerificationFails)
	return v
}

// run asks a requirement.
func run(requirement verifier, a *match.Attributes, asOf time.Time) JWTVerdict {
	v := &verification{headers: a.Headers, asOf: asOf, claims: map[string]*structpb.Struct{}}
	result := requirement(v)
	verdict := JWTVerdict{Metadata: &structpb.Struct{}, Headers: v.headers, Assumed: v.assumed, Unknown: v.unknown}
	if len(v.claims) > 0 {
		verdict.Metadata.Fields = map[string]*structpb.Value{}
	}
	for key, claims := range v.claims {
		verdict.Metadata.Fields[key] = structpb.NewStructValue(claims)
	}
	switch {
	case result.certain():
		verdict.Allowed = match.Yes
	case result.possible():
		verdict.Allowed = match.Unknown
		verdict.deny(jwtVerificationFails)
	default:
		verdict.deny(result.status)
	}
	if result.open && result.status != jwtOK {
		verdict.Unknown = append(verdict.Unknown, "the reply: with a bad signature it is "+string(jwtVerificationFails))
	}
	return verdict
}

// deny sets the local reply.
func (v *JWTVerdict) deny(st status) {
	v.Status, v.Reason = 401, string(st)
	if st == jwtAudienceNotAllowed {
		v.Status = 403
	}
	v.Details = jwtDetails(v.Reason)
}

func jwtDetails(reason string) string {
	return "jwt_authn_access_denied{" + strings.Map(underscore, reason) + "}"
}

// wrongName is the reply where a route asks for a requirement that is not there.
func (f *JWTFilter) wrongName(name string) JWTVerdict {
	names := strings.Join(slices.Sorted(maps.Keys(f.named)), ",")
	reason := "Wrong requirement_name: " + name + ". It should be one of [" + names + "]"
	return JWTVerdict{
		Allowed: match.No, Status: 403, Details: jwtDetails(reason),
		Reason: "Failed JWT authentication: " + reason, Metadata: &structpb.Struct{},
	}
}

// isPreflight reports whether a request asks for permission to send another one.
func isPreflight(a *match.Attributes) bool {
	method, _ := a.Header(":method")
	origin, _ := a.Header("origin")
	asked, _ := a.Header("access-control-request-method")
	return method == "OPTIONS" && origin != "" && asked != ""
}
