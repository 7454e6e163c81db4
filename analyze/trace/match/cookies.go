package match

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/request"
)

// Cookie is a compiled envoy.config.route.v3.CookieMatcher.
type Cookie struct {
	name, condition string
	value           *String
	invert          bool
	want            string
}

// CompileCookie prepares a CookieMatcher.
func CompileCookie(m *routev3.CookieMatcher) *Cookie {
	c := &Cookie{name: m.GetName(), condition: "cookie " + m.GetName(), value: CompileString(m.GetStringMatch()), invert: m.GetInvertMatch()}
	c.want = c.value.want
	if c.invert {
		c.want = "not " + c.want
	}
	return c
}

// Match answers for the headers of a request. A cookie that is missing does not
// match, so that an inverted matcher takes it.
func (c *Cookie) Match(headers request.Headers) Result {
	value, found := cookie(headers, c.name)
	o := No
	if found {
		o = c.value.test(value)
	}
	if c.invert {
		o = o.not()
	}
	switch o {
	case Yes:
		return Matched
	case Unknown:
		return Unmodelled(c.condition, c.want)
	}
	if !found {
		value = "no such cookie"
	}
	return missed(c.condition, c.want, value)
}

// cookie is the value of the first cookie of a name, without quotes around it.
func cookie(headers request.Headers, name string) (value string, found bool) {
	for _, header := range headers {
		if !strings.EqualFold(header.Name, "cookie") {
			continue
		}
		for rest := header.Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			key, value, ok := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if !ok || key != name {
				continue
			}
			if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			return value, true
		}
	}
	return "", false
}
