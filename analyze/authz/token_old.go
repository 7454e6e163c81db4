package authz

import (
	"strings"

	xdstypev3 "github.com/cncf/xds/go/xds/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
)

// The filters of Istio before 1.5, which Envoy itself does not have.
const (
	oldJWTFilter   = "jwt-auth"
	oldAuthnFilter = "istio_authn"
)

// oldJWT adds the tokens of Istio's own filter, jwt-auth, of an authentication
// Policy. It only reads them: the istio_authn filter behind it refuses.
func (c *collector) oldJWT(s site, config *xdstypev3.TypedStruct) {
	if s.filter.Name != oldJWTFilter {
		return
	}
	for _, rule := range config.GetValue().GetFields()["rules"].GetListValue().GetValues() {
		fields := rule.GetStructValue().GetFields()
		c.token(s.place, Token{
			Issuer: fields["issuer"].GetStringValue(), Provider: s.filter.Name, Audiences: texts(fields["audiences"]),
			From: oldPlaces(fields), Keys: oldKeys(fields), Need: oldNeed(s.beside), Paths: "*", Filter: s.filter.Name,
		})
	}
}

// oldNeed reads the need from the istio_authn filter: its Policy asks for an origin, and
// may say that it is optional.
func oldNeed(beside []mesh.Filter) Need {
	for _, f := range beside {
		config, ok := f.Config.(*xdstypev3.TypedStruct)
		if !ok || f.Name != oldAuthnFilter {
			continue
		}
		policy := config.GetValue().GetFields()["policy"].GetStructValue().GetFields()
		switch {
		case len(policy["origins"].GetListValue().GetValues()) == 0:
			return Ignored
		case policy["origin_is_optional"].GetBoolValue():
			return Optional
		}
		return Required
	}
	return Ignored
}

func oldPlaces(rule map[string]*structpb.Value) []string {
	var out []string
	for _, header := range rule["from_headers"].GetListValue().GetValues() {
		fields := header.GetStructValue().GetFields()
		words := "header " + fields["name"].GetStringValue()
		if prefix := strings.TrimSpace(fields["value_prefix"].GetStringValue()); prefix != "" {
			words += " (" + prefix + ")"
		}
		out = append(out, words)
	}
	for _, name := range texts(rule["from_params"]) {
		out = append(out, "query parameter "+name)
	}
	if len(out) == 0 {
		return defaultPlaces()
	}
	return out
}

func oldKeys(rule map[string]*structpb.Value) string {
	if rule["local_jwks"] != nil {
		return "inline"
	}
	return rule["remote_jwks"].GetStructValue().GetFields()["http_uri"].GetStructValue().GetFields()["uri"].GetStringValue()
}

func texts(list *structpb.Value) []string {
	var out []string
	for _, value := range list.GetListValue().GetValues() {
		out = append(out, value.GetStringValue())
	}
	return out
}
