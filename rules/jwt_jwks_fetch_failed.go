package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// JWTJWKSFetchFailed reports keys of JWT providers that verify no token, or that
// anybody can sign with.
var JWTJWKSFetchFailed = &analyze.Rule{
	Name:       "jwt-jwks-fetch-failed",
	Code:       "AUT03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a JWT provider has keys that verify no token, or whose private part is known",
		Finds: "`providers.*.local_jwks` of `envoy.filters.http.jwt_authn`: a key whose `n` begins with what istiod writes when it cannot fetch `jwksUri` (`Error-IstiodFailedToFetchJwksUri-` in base64, `failedToFetchJwtPubKey`, or the public key that newer versions use); " +
			"the fake key of older versions, whose private half is published with Istio's source; a key set without keys; a key with its private exponent `d`.",
		Hurts: "Tokens of the issuer are refused with 401 `Jwks doesn't have key to match kid or alg from Jwt`. With the published fake key, or with a `d` in the configuration, whoever knows it signs tokens that pass.",
		Example: `providers:
  origins-0:
    issuer: https://login.example.com
    local_jwks: {inline_string: '{"keys":[{"e":"AQAB","kty":"RSA","n":"RXJyb3ItSXN0aW9kRmFpbGVkVG9GZXRjaEp3a3NVcmkt..."}]}'}`,
		Silent: "real keys, and `remote_jwks`, which Envoy fetches itself. Values of keys are never printed.",
		Fix:    "make `jwksUri` reachable from istiod (DNS, egress, CA), or let Envoy fetch it: `PILOT_JWT_ENABLE_REMOTE_JWKS=hybrid`; upgrade istiod where the key is the published one; replace a key whose private part got out",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/request_authentication/",
			"https://github.com/istio/istio/issues/53260",
			"https://github.com/istio/istio/issues/58101",
		},
	},
	Run: runJWTJWKSFetchFailed,
}

func runJWTJWKSFetchFailed(pass *analyze.Pass) {
	eachProvider(pass, func(p *mesh.Proxy, l *guardedListener, c *guardedChain, found *fold, name string, provider *jwtv3.JwtProvider) {
		source := provider.GetLocalJwks()
		if source == nil || source.GetInlineString() == "" && len(source.GetInlineBytes()) == 0 {
			return
		}
		for _, fault := range judgeJWKS(inlineText(source)) {
			f := analyze.Finding{
				Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Category: fault.category, Fix: fault.fix,
				Message:  fmt.Sprintf("%s: %s", providerLabel(name, provider), fault.message),
				Evidence: []analyze.Evidence{{Name: "provider", Value: name}},
			}
			found.add(name+"\x00"+fault.message, f, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "provider " + name})
		}
	})
}

// eachProvider visits the providers of all JWT filters, sorted by name. What visit
// adds to found becomes one finding of each listener.
func eachProvider(pass *analyze.Pass, visit func(p *mesh.Proxy, l *guardedListener, c *guardedChain, found *fold, name string, provider *jwtv3.JwtProvider)) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					config, _ := g.Config.(*jwtv3.JwtAuthentication)
					for _, name := range slices.Sorted(maps.Keys(config.GetProviders())) {
						visit(p, &l, &l.chains[i], found, name, config.GetProviders()[name])
					}
				}
			}
			found.report(pass)
		}
	}
}

func providerLabel(name string, provider *jwtv3.JwtProvider) string {
	if issuer := provider.GetIssuer(); issuer != "" {
		return "issuer " + issuer
	}
	return "JWT provider " + name
}

func inlineText(source *corev3.DataSource) string {
	if text := source.GetInlineString(); text != "" {
		return text
	}
	return string(source.GetInlineBytes())
}

// jwksFault is what is wrong with a key set.
type jwksFault struct {
	message, fix string
	category     analyze.Category
}

// standIns are the keys that istiod writes where it has none, by how their modulus
// begins.
var standIns = []struct {
	modulus string
	leaked  bool
}{
	{"RXJyb3ItSXN0aW9kRmFpbGVkVG9GZXRjaEp3a3NVcmkt", false},
	{"failedToFetchJwtPubKey", false},
	{"0xObjM0UvS_oaazjpEYlAbwctEJ4L8pH3OuTb7qth7g", false},
	{"vqS7RN4b34i3_5YyhygtBe33gI6GK_0ldW8W", true},
}

type jwk struct {
	KeyID    string          `json:"kid"`
	Modulus  string          `json:"n"`
	Exponent json.RawMessage `json:"d"`
}

func judgeJWKS(text string) []jwksFault {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return nil // PEM, or what Envoy would refuse
	}
	if set.Keys == nil {
		return nil // a single key, or certificates by their key ids
	}
	if len(set.Keys) == 0 {
		return []jwksFault{{message: "its key set is empty: every token is refused", category: analyze.Outage}}
	}
	var out []jwksFault
	for _, key := range set.Keys {
		if fault := key.judge(); fault.message != "" && !slices.Contains(out, fault) {
			out = append(out, fault)
		}
	}
	return out
}

func (k jwk) judge() jwksFault {
	for _, known := range standIns {
		switch {
		case !strings.HasPrefix(k.Modulus, known.modulus):
		case known.leaked:
			return jwksFault{
				message:  "istiod could not fetch its keys and put one whose private half is published: anybody can sign tokens that pass",
				category: analyze.Security,
				fix:      "upgrade istiod to a version that does not use this key, and make jwksUri reachable from it",
			}
		default:
			return jwksFault{message: "istiod could not fetch its keys: every token is refused", category: analyze.Outage}
		}
	}
	if len(k.Exponent) > 0 && string(k.Exponent) != "null" {
		return jwksFault{
			message:  strings.TrimSpace("key "+k.KeyID) + " holds its private part (d): whoever reads the configuration can sign tokens",
			category: analyze.Security,
			fix:      "replace the key; a RequestAuthentication needs the public part only",
		}
	}
	return jwksFault{}
}
