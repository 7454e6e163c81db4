package rbac

import (
	"maps"
	"slices"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
)

// requireAny is satisfied by the first requirement that is. Without one the status
// is that of a token that was bad, rather than missing or from another issuer.
func (f *JWTFilter) requireAny(requirements []*jwtv3.JwtRequirement, depth int) verifier {
	var parts []verifier
	var missing, failed bool
	for _, r := range requirements {
		switch r.GetRequiresType().(type) {
		case *jwtv3.JwtRequirement_AllowMissing:
			missing = true
		case *jwtv3.JwtRequirement_AllowMissingOrFailed:
			failed = true
		default:
			parts = append(parts, f.compileRequirement(r, depth+1))
		}
	}
	switch {
	case len(parts) == 0 && failed:
		return f.allowMissingOrFailed()
	case len(parts) == 0 && missing:
		return f.allowMissing()
	}
	return func(v *verification) answer {
		final := answer{status: jwtMissing}
		for _, part := range parts {
			one := part(v)
			if one.certain() {
				return one
			}
			final = preferred(final, one)
		}
		if failed || missing && final.status == jwtMissing {
			return answer{}
		}
		return final
	}
}

// preferred is the answer that counts of two in a requires_any: one that may be
// satisfied, then the more telling status.
func preferred(first, second answer) answer {
	switch {
	case first.possible():
		return first
	case second.possible():
		return second
	case second.status != jwtMissing && second.status != jwtUnknownIssuer, first.status == jwtMissing:
		return second
	}
	return first
}

// requireAll is satisfied where every requirement is.
func (f *JWTFilter) requireAll(requirements []*jwtv3.JwtRequirement, depth int) verifier {
	var parts []verifier
	for _, r := range requirements {
		parts = append(parts, f.compileRequirement(r, depth+1))
	}
	return func(v *verification) answer {
		result := answer{}
		for _, part := range parts {
			if result = part(v).after(result); result.status != jwtOK {
				break
			}
		}
		return result
	}
}

// allowMissing verifies the tokens of all providers, each by its issuer. Only what
// comes of the last one that is verified counts.
func (f *JWTFilter) allowMissing() verifier {
	all := f.allTokens()
	return func(v *verification) answer {
		answers := all(v)
		if len(answers) == 0 {
			return answer{}
		}
		return answers[len(answers)-1]
	}
}

// allowMissingOrFailed verifies the same tokens and is always satisfied.
func (f *JWTFilter) allowMissingOrFailed() verifier {
	all := f.allTokens()
	return func(v *verification) answer {
		all(v)
		return answer{}
	}
}

// allTokens verifies the tokens at the places of all providers, the last one first.
func (f *JWTFilter) allTokens() func(v *verification) []answer {
	var providers []*jwtv3.JwtProvider
	for _, name := range slices.Sorted(maps.Keys(f.providers)) {
		providers = append(providers, f.providers[name])
	}
	places := locations(providers)
	return func(v *verification) []answer {
		var answers []answer
		for _, found := range slices.Backward(v.extract(places)) {
			answers = append(answers, v.verifyByIssuer(found, providers))
		}
		return answers
	}
}

// verifyByIssuer takes the provider that the token's issuer names, else the first
// one that names no issuer.
func (v *verification) verifyByIssuer(found found, providers []*jwtv3.JwtProvider) answer {
	t, st := parseToken(found.text)
	if st != jwtOK {
		return answer{status: st}
	}
	if !found.at.allows(t.issuer) {
		return answer{status: jwtUnknownIssuer}
	}
	for _, issuer := range []string{t.issuer, ""} {
		for _, p := range providers {
			if p.GetIssuer() == issuer {
				return v.verifyClaims(t, found, p, p.GetAudiences())
			}
		}
	}
	return answer{status: jwtUnknownIssuer}
}
