package rbac

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"

	"github.com/meshray/meshray/analyze/request"
)

// location is a place where tokens are looked for, with the issuers that may put
// them there; "" among them stands for every issuer.
type location struct {
	header, prefix, parameter, cookie string
	issuers                           []string
}

// found is a token in a request.
type found struct {
	text string
	at   *location
}

// locations are those of providers, in the order in which Envoy looks: headers,
// parameters, cookies, each by name.
func locations(providers []*jwtv3.JwtProvider) []*location {
	headers, parameters, cookies := map[string]*location{}, map[string]*location{}, map[string]*location{}
	add := func(kind map[string]*location, key string, at location, issuer string) {
		if kind[key] == nil {
			kind[key] = &at
		}
		kind[key].issuers = append(kind[key].issuers, issuer)
	}
	for _, p := range providers {
		for _, h := range p.GetFromHeaders() {
			name := strings.ToLower(h.GetName())
			add(headers, name+h.GetValuePrefix(), location{header: name, prefix: h.GetValuePrefix()}, p.GetIssuer())
		}
		for _, name := range p.GetFromParams() {
			add(parameters, name, location{parameter: name}, p.GetIssuer())
		}
		for _, name := range p.GetFromCookies() {
			add(cookies, name, location{cookie: name}, p.GetIssuer())
		}
		if len(p.GetFromHeaders())+len(p.GetFromParams())+len(p.GetFromCookies()) == 0 {
			add(headers, "authorizationBearer ", location{header: "authorization", prefix: "Bearer "}, p.GetIssuer())
			add(parameters, "access_token", location{parameter: "access_token"}, p.GetIssuer())
		}
	}
	var out []*location
	for _, kind := range []map[string]*location{headers, parameters, cookies} {
		for _, key := range slices.Sorted(maps.Keys(kind)) {
			out = append(out, kind[key])
		}
	}
	return out
}

func (l *location) allows(issuer string) bool {
	return slices.Contains(l.issuers, "") || slices.Contains(l.issuers, issuer)
}

// String is the place in words.
func (l *location) String() string {
	switch {
	case l.header != "":
		return "header " + l.header
	case l.parameter != "":
		return "query parameter " + l.parameter
	}
	return "cookie " + l.cookie
}

// tokens returns those that the location holds.
func (l *location) tokens(headers request.Headers) []found {
	switch {
	case l.header != "":
		return l.headerTokens(headers)
	case l.parameter != "":
		path, _ := headers.Get(":path")
		return l.one(queryParameter(path, l.parameter))
	}
	return l.one(cookieValue(headers, l.cookie))
}

func (l *location) one(text string, present bool) []found {
	if !present {
		return nil
	}
	return []found{{text: text, at: l}}
}

func (l *location) headerTokens(headers request.Headers) []found {
	var out []found
	for _, value := range headers.Values(l.header) {
		_, rest, ok := strings.Cut(value, l.prefix)
		if !ok {
			continue
		}
		if l.prefix != "" {
			value = tokenText(value, rest)
		}
		out = append(out, found{text: value, at: l})
	}
	return out
}

// tokenText is what follows the prefix, from the first character that a token may
// have; without any, Envoy takes the whole value.
func tokenText(value, rest string) string {
	if start := strings.IndexFunc(rest, isTokenCharacter); start >= 0 {
		return rest[start:]
	}
	return value
}

func isTokenCharacter(r rune) bool {
	return 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
}

// queryParameter is the first one of a name, decoded.
func queryParameter(path, name string) (value string, found bool) {
	_, query, _ := strings.Cut(path, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if decoded(key) == name {
			return decoded(value), true
		}
	}
	return "", false
}

func decoded(text string) string {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return plain
}

// cookieValue is the first cookie of a name, without quotes around it.
func cookieValue(headers request.Headers, name string) (value string, found bool) {
	for _, line := range headers.Values("cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if ok && key == name {
				return unquoted(value), true
			}
		}
	}
	return "", false
}

func unquoted(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// without takes out what the location holds, as Envoy does where a provider does not
// forward its token: the rest of a query comes out decoded and in order, and a cookie
// stays.
func (l *location) without(headers request.Headers) request.Headers {
	switch {
	case l.header != "":
		return headers.Without(l.header)
	case l.parameter == "":
		return headers
	}
	path, _ := headers.Get(":path")
	return headers.Set(":path", withoutParameter(path, l.parameter))
}

func withoutParameter(path, name string) string {
	path, query, _ := strings.Cut(path, "?")
	query, _, _ = strings.Cut(query, "#")
	values := map[string][]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(query, "&"), "&") {
		key, value, _ := strings.Cut(pair, "=")
		key = decoded(key)
		values[key] = append(values[key], decoded(value))
	}
	delete(values, name)
	delimiter := "?"
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			path += delimiter + key + "=" + value
			delimiter = "&"
		}
	}
	return path
}
