package authz

import (
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
)

// Need says what becomes of a request without a good token.
type Need string

const (
	// Required refuses it.
	Required Need = "required"
	// Optional lets a request without a token pass; a bad token is refused. Istio's
	// RequestAuthentication asks for this.
	Optional Need = "optional"
	// Ignored refuses nothing: tokens are only read.
	Ignored Need = "ignored"
)

// Token is what a JWT filter asks of the requests of some paths about one issuer.
type Token struct {
	// Issuer is empty where tokens of any issuer are taken.
	Issuer    string
	Provider  string
	Audiences []string
	// From are the places where the token may stand: "header Authorization (Bearer )",
	// "query parameter access_token", "cookie session".
	From []string
	// Keys are "inline", "file NAME", or the URI from which they are fetched.
	Keys string
	Need Need
	// Paths are the requests that it is asked of: "*", "/api*", or "requirement NAME" where
	// single routes ask for it by name.
	Paths  string
	Filter string
	Places []Place
}

// jwt adds what a filter asks for.
func (c *collector) jwt(s site, config *jwtv3.JwtAuthentication) {
	for _, rule := range config.GetRules() {
		requirement := rule.GetRequires()
		if name := rule.GetRequirementName(); name != "" {
			requirement = config.GetRequirementMap()[name]
		}
		c.require(s, config, requirement, pathWords(rule.GetMatch()))
	}
	for _, name := range slices.Sorted(maps.Keys(config.GetRequirementMap())) {
		c.require(s, config, config.GetRequirementMap()[name], "requirement "+name)
	}
}

func (c *collector) require(s site, config *jwtv3.JwtAuthentication, requirement *jwtv3.JwtRequirement, paths string) {
	need := needOf(requirement, 0)
	for _, wanted := range wantedOf(requirement, 0) {
		provider := config.GetProviders()[wanted.name]
		audiences := wanted.audiences
		if len(audiences) == 0 {
			audiences = provider.GetAudiences()
		}
		c.token(s.place, Token{
			Issuer: provider.GetIssuer(), Provider: wanted.name, Audiences: audiences, From: placesOf(provider),
			Keys: keysOf(provider), Need: need, Paths: paths, Filter: s.filter.Name,
		})
	}
}

func (c *collector) token(place Place, t Token) {
	key := strings.Join(slices.Concat(
		[]string{t.Issuer, t.Provider, t.Keys, string(t.Need), t.Paths, t.Filter}, t.Audiences, []string{""}, t.From), "\x00")
	i, known := c.byToken[key]
	if !known {
		i = len(c.tokens)
		c.byToken[key] = i
		c.tokens = append(c.tokens, t)
	}
	if !slices.Contains(c.tokens[i].Places, place) {
		c.tokens[i].Places = append(c.tokens[i].Places, place)
	}
}

// needOf is the need of a requirement: of alternatives the weakest counts, of a
// list that must hold the strongest.
func needOf(r *jwtv3.JwtRequirement, depth int) Need {
	needs := []Need{Ignored, Optional, Required}
	pick := func(all []*jwtv3.JwtRequirement, better func(a, b int) bool) Need {
		best := -1
		for _, one := range all {
			if i := slices.Index(needs, needOf(one, depth+1)); best < 0 || better(i, best) {
				best = i
			}
		}
		return needs[max(best, 0)]
	}
	switch kind := r.GetRequiresType().(type) {
	case nil, *jwtv3.JwtRequirement_AllowMissingOrFailed:
		return Ignored
	case *jwtv3.JwtRequirement_AllowMissing:
		return Optional
	case *jwtv3.JwtRequirement_RequiresAny:
		if depth < maxDepth {
			return pick(kind.RequiresAny.GetRequirements(), func(a, b int) bool { return a < b })
		}
	case *jwtv3.JwtRequirement_RequiresAll:
		if depth < maxDepth {
			return pick(kind.RequiresAll.GetRequirements(), func(a, b int) bool { return a > b })
		}
	}
	return Required
}

// wanted is a provider that a requirement names.
type wanted struct {
	name      string
	audiences []string
}

func wantedOf(r *jwtv3.JwtRequirement, depth int) []wanted {
	if depth > maxDepth {
		return nil
	}
	var parts []*jwtv3.JwtRequirement
	switch kind := r.GetRequiresType().(type) {
	case *jwtv3.JwtRequirement_ProviderName:
		return []wanted{{name: kind.ProviderName}}
	case *jwtv3.JwtRequirement_ProviderAndAudiences:
		return []wanted{{kind.ProviderAndAudiences.GetProviderName(), kind.ProviderAndAudiences.GetAudiences()}}
	case *jwtv3.JwtRequirement_RequiresAny:
		parts = kind.RequiresAny.GetRequirements()
	case *jwtv3.JwtRequirement_RequiresAll:
		parts = kind.RequiresAll.GetRequirements()
	}
	var out []wanted
	for _, part := range parts {
		out = append(out, wantedOf(part, depth+1)...)
	}
	return out
}

// placesOf says where a provider's tokens may stand; Envoy's own places where it
// names none.
func placesOf(p *jwtv3.JwtProvider) []string {
	var out []string
	for _, header := range p.GetFromHeaders() {
		words := "header " + header.GetName()
		if prefix := header.GetValuePrefix(); prefix != "" {
			words += " (" + strings.TrimSpace(prefix) + ")"
		}
		out = append(out, words)
	}
	for _, name := range p.GetFromParams() {
		out = append(out, "query parameter "+name)
	}
	for _, name := range p.GetFromCookies() {
		out = append(out, "cookie "+name)
	}
	if len(out) == 0 {
		return defaultPlaces()
	}
	return out
}

func defaultPlaces() []string {
	return []string{"header Authorization (Bearer)", "query parameter access_token"}
}

func keysOf(p *jwtv3.JwtProvider) string {
	switch local := p.GetLocalJwks(); {
	case p.GetRemoteJwks() != nil:
		return p.GetRemoteJwks().GetHttpUri().GetUri()
	case local.GetFilename() != "":
		return "file " + local.GetFilename()
	case local != nil:
		return "inline"
	}
	return ""
}

// pathWords says which requests a rule is for.
func pathWords(m *routev3.RouteMatch) string {
	words := "*"
	switch path := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		words = strings.TrimSuffix(path.Prefix, "/") + "/*"
		if !strings.HasSuffix(path.Prefix, "/") {
			words = path.Prefix + "*"
		}
		if path.Prefix == "/" {
			words = "*"
		}
	case *routev3.RouteMatch_Path:
		words = path.Path
	case *routev3.RouteMatch_PathSeparatedPrefix:
		words = path.PathSeparatedPrefix + "[/*]"
	case *routev3.RouteMatch_SafeRegex:
		words = "regex " + path.SafeRegex.GetRegex()
	case *routev3.RouteMatch_ConnectMatcher_:
		words = "CONNECT"
	}
	for _, header := range m.GetHeaders() {
		words += ", header " + header.GetName()
	}
	return words
}
