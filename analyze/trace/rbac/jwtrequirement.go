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

// defaultClockSkew is what exp and nbf may be off by.
const defaultClockSkew = 60 * time.Second

// answer is what a requirement comes to. Where open is set it holds provided that
// signatures are good: a bad one is found before.
type answer struct {
	status status
	open   bool
}

// certain reports whether the requirement is satisfied whatever the signatures.
func (a answer) certain() bool { return a.status == jwtOK && !a.open }

// possible reports whether it is satisfied if they are good.
func (a answer) possible() bool { return a.status == jwtOK && a.open }

// after is the answer behind an earlier one that did not fail.
func (a answer) after(earlier answer) answer {
	return answer{status: a.status, open: a.open || earlier.open}
}

// verifier is a compiled JwtRequirement.
type verifier func(v *verification) answer

// verification is one request on its way through the requirements.
type verification struct {
	headers request.Headers
	asOf    time.Time
	claims  map[string]*structpb.Struct // dynamic metadata by key
	// assumed are the tokens whose signature was taken to be good.
	assumed []string
	unknown []string
}

// compileRequirement follows JwtRequirement; nil and an empty one ask for nothing.
func (f *JWTFilter) compileRequirement(r *jwtv3.JwtRequirement, depth int) verifier {
	if depth > maxDepth {
		return unmodelledRequirement("requirements nested deeper than Envoy takes them")
	}
	switch kind := r.GetRequiresType().(type) {
	case *jwtv3.JwtRequirement_ProviderName:
		return f.requireProvider(kind.ProviderName, nil)
	case *jwtv3.JwtRequirement_ProviderAndAudiences:
		return f.requireProvider(kind.ProviderAndAudiences.GetProviderName(), kind.ProviderAndAudiences.GetAudiences())
	case *jwtv3.JwtRequirement_RequiresAny:
		return f.requireAny(kind.RequiresAny.GetRequirements(), depth)
	case *jwtv3.JwtRequirement_RequiresAll:
		return f.requireAll(kind.RequiresAll.GetRequirements(), depth)
	case *jwtv3.JwtRequirement_AllowMissing:
		return f.allowMissing()
	case *jwtv3.JwtRequirement_AllowMissingOrFailed:
		return f.allowMissingOrFailed()
	case nil:
		return func(*verification) answer { return answer{} }
	}
	return unmodelledRequirement("a kind of requirement that is not modelled")
}

func unmodelledRequirement(why string) verifier {
	return func(v *verification) answer {
		v.unknown = append(v.unknown, why)
		return answer{open: true}
	}
}

// requireProvider wants at least one token of a provider, and all of them good.
func (f *JWTFilter) requireProvider(name string, audiences []string) verifier {
	provider, ok := f.providers[name]
	if !ok {
		return unmodelledRequirement("provider " + name + " is not configured, which Envoy refuses")
	}
	if len(audiences) == 0 {
		audiences = provider.GetAudiences()
	}
	places := locations([]*jwtv3.JwtProvider{provider})
	return func(v *verification) answer {
		tokens := v.extract(places)
		if len(tokens) == 0 {
			return answer{status: jwtMissing}
		}
		result := answer{}
		for _, found := range slices.Backward(tokens) {
			if result = v.verify(found, provider, audiences).after(result); result.status != jwtOK {
				break
			}
		}
		return result
	}
}

// extract returns the tokens at the places; Envoy verifies the last one first.
func (v *verification) extract(places []*location) []found {
	var tokens []found
	for _, place := range places {
		tokens = append(tokens, place.tokens(v.headers)...)
	}
	return tokens
}

// verify checks all that can be checked without the provider's keys, and takes
// the claims.
func (v *verification) verify(found found, provider *jwtv3.JwtProvider, audiences []string) answer {
	t, st := parseToken(found.text)
	if st != jwtOK {
		return answer{status: st}
	}
	if !found.at.allows(t.issuer) {
		return answer{status: jwtUnknownIssuer}
	}
	return v.verifyClaims(t, found, provider, audiences)
}

func (v *verification) verifyClaims(t *token, found found, provider *jwtv3.JwtProvider, audiences []string) answer {
	if st := v.checkTime(t, provider); st != jwtOK {
		return answer{status: st}
	}
	if !audienceAllowed(t.audiences, audiences) {
		return answer{status: jwtAudienceNotAllowed}
	}
	if s := provider.GetSubjects(); s != nil && match.CompileString(s).Match(t.subject).Outcome == match.No {
		return answer{status: jwtVerificationFails}
	}
	if t.expires == 0 && (provider.GetRequireExpiration() || provider.GetMaxLifetime() != nil) {
		return answer{status: jwtVerificationFails}
	}
	v.take(t, provider)
	if !provider.GetForward() {
		v.headers = found.at.without(v.headers)
	}
	what := "the signature of the token in " + found.at.String() + " is good"
	if t.issuer != "" {
		what += " (issuer " + t.issuer + ")"
	}
	v.assumed = append(v.assumed, what)
	return answer{open: true}
}

// checkTime compares exp and nbf with the time of the capture.
func (v *verification) checkTime(t *token, provider *jwtv3.JwtProvider) status {
	if v.asOf.IsZero() {
		if t.expires != 0 || t.notBefore != 0 {
			v.unknown = append(v.unknown, "the time at which the token is judged")
		}
		return jwtOK
	}
	now, skew := float64(v.asOf.Unix()), defaultClockSkew.Seconds()
	if s := provider.GetClockSkewSeconds(); s > 0 {
		skew = float64(s)
	}
	switch {
	case now+skew < t.notBefore:
		return jwtNotYetValid
	case t.expires != 0 && now > t.expires+skew:
		return jwtExpired
	}
	if l := provider.GetMaxLifetime(); l != nil && t.expires-now > l.AsDuration().Seconds() {
		return jwtVerificationFails
	}
	return jwtOK
}

// take puts header and claims where the provider wants them in the metadata.
func (v *verification) take(t *token, provider *jwtv3.JwtProvider) {
	if key := provider.GetHeaderInMetadata(); key != "" {
		v.claims[key] = t.header
	}
	if key := provider.GetPayloadInMetadata(); key != "" {
		v.claims[key] = normalized(t.payload, provider.GetNormalizePayloadInMetadata().GetSpaceDelimitedClaims())
	}
}

// normalized is the payload with the named claims split at spaces into lists.
func normalized(payload *structpb.Struct, spaceDelimited []string) *structpb.Struct {
	out := &structpb.Struct{Fields: maps.Clone(payload.GetFields())}
	for _, name := range spaceDelimited {
		claim, ok := out.GetFields()[name].GetKind().(*structpb.Value_StringValue)
		if !ok {
			continue
		}
		list := &structpb.ListValue{}
		for word := range strings.SplitSeq(claim.StringValue, " ") {
			if word != "" {
				list.Values = append(list.Values, structpb.NewStringValue(word))
			}
		}
		out.Fields[name] = structpb.NewListValue(list)
	}
	return out
}

// audienceAllowed reports whether a token is for one of the allowed audiences;
// none allows all. Schemes and trailing slashes do not count.
func audienceAllowed(audiences, allowed []string) bool {
	if len(allowed) == 0 {
		return true
	}
	for _, audience := range audiences {
		if slices.ContainsFunc(allowed, func(a string) bool { return bareAudience(a) == bareAudience(audience) }) {
			return true
		}
	}
	return false
}

func bareAudience(audience string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(audience, scheme); ok {
			audience = rest
			break
		}
	}
	return strings.TrimSuffix(audience, "/")
}
