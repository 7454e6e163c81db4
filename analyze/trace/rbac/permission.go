package rbac

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	uritemplatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/path/match/uri_template/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// compilePolicy is one of the permissions, and one of the principals, and the
// condition.
func compilePolicy(p *rbacv3.Policy) condition {
	parts := and{permissionSet(p.GetPermissions(), false, 0, false), principalSet(p.GetPrincipals(), false, 0, false)}
	if expression := compileExpression(p); expression != nil {
		parts = append(parts, expression)
	}
	return parts
}

// permissionSet combines permissions: all of them or one of them, negated or not.
func permissionSet(rules []*rbacv3.Permission, all bool, depth int, negated bool) condition {
	parts := make([]condition, len(rules))
	for i, rule := range rules {
		parts[i] = permission(rule, depth+1, negated)
	}
	return combined(parts, all != negated)
}

// combined is one condition of several; a negation has been pushed into the parts
// before, which turns all into any.
func combined(parts []condition, all bool) condition {
	switch {
	case len(parts) == 1:
		return parts[0]
	case all:
		return and(parts)
	}
	return or(parts)
}

func permission(p *rbacv3.Permission, depth int, negated bool) condition {
	if depth > maxDepth {
		return unknown("permissions", fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	switch rule := p.GetRule().(type) {
	case *rbacv3.Permission_AndRules:
		return permissionSet(rule.AndRules.GetRules(), true, depth, negated)
	case *rbacv3.Permission_OrRules:
		return permissionSet(rule.OrRules.GetRules(), false, depth, negated)
	case *rbacv3.Permission_NotRule:
		return permission(rule.NotRule, depth+1, !negated)
	}
	l := permissionLeaf(p)
	l.negated = negated
	return l
}

// permissionLeaf is a permission that holds no other ones.
func permissionLeaf(p *rbacv3.Permission) *leaf {
	switch rule := p.GetRule().(type) {
	case *rbacv3.Permission_Any:
		return always()
	case *rbacv3.Permission_Header:
		return header(rule.Header)
	case *rbacv3.Permission_UrlPath:
		return urlPath(rule.UrlPath)
	case *rbacv3.Permission_DestinationIp:
		return address("destination_ip", rule.DestinationIp, destination)
	case *rbacv3.Permission_DestinationPort:
		return port("destination_port", rule.DestinationPort, rule.DestinationPort)
	case *rbacv3.Permission_DestinationPortRange:
		return portRange(rule.DestinationPortRange)
	case *rbacv3.Permission_RequestedServerName:
		return serverName(rule.RequestedServerName)
	case *rbacv3.Permission_Metadata:
		return metadata(rule.Metadata)
	case *rbacv3.Permission_SourcedMetadata:
		return sourcedMetadata(rule.SourcedMetadata)
	case *rbacv3.Permission_UriTemplate:
		return uriTemplate(rule.UriTemplate)
	case *rbacv3.Permission_Matcher:
		return unmodelled("matcher "+rule.Matcher.GetName(), "this extension is not modelled")
	}
	return unmodelled("permission", "a kind that is not known")
}

// uriTemplate matches the path as a route's path_match_policy does.
func uriTemplate(extension *corev3.TypedExtensionConfig) *leaf {
	route := match.CompileRoute(&routev3.RouteMatch{
		PathSpecifier: &routev3.RouteMatch_PathMatchPolicy{PathMatchPolicy: extension},
	})
	want := "another path"
	if config, ok := mesh.Unpack(extension.GetName(), extension.GetTypedConfig()).Config.(*uritemplatev3.UriTemplateMatchConfig); ok {
		want = config.GetPathTemplate()
	}
	return &leaf{
		name: "uri_template", want: want, got: pathOf,
		test: func(a *match.Attributes) match.Result {
			result, _ := route.Match(a)
			return named(result, "uri_template")
		},
	}
}
