package trace

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// scoped returns the route configuration of the scope that the request's key names.
func (h *hop) scoped(config *hcmv3.ScopedRoutes) (*table, bool) {
	o := &h.out.Outcome
	key, complete := scopeKey(config.GetScopeKeyBuilder(), h.attrs.Headers)
	if !complete {
		o.Reason = fmt.Sprintf("scoped routes %s: the request has no complete scope key", config.GetName())
		return nil, false
	}
	for _, scope := range h.scopesOf(config) {
		if !sameKey(scope.GetKey(), key) {
			continue
		}
		if inline := scope.GetRouteConfiguration(); inline != nil {
			t := &table{message: inline}
			t.load()
			o.RouteConfig = inline.GetName()
			return t, false
		}
		return h.named(scope.GetRouteConfigurationName())
	}
	if config.GetScopedRds() != nil && !h.view.proxy.Has(mesh.ScopedRoute) {
		h.unknown("scoped routes "+config.GetName(), "the capture has none of this proxy")
		o.Reason = "the capture has no scoped routes of this proxy"
		return nil, true
	}
	o.Reason = fmt.Sprintf("scoped routes %s have no scope with the key %s", config.GetName(), strings.Join(key, ", "))
	return nil, false
}

// scopesOf returns the scopes of a manager, inline or by SRDS.
func (h *hop) scopesOf(config *hcmv3.ScopedRoutes) []*routev3.ScopedRouteConfiguration {
	if list := config.GetScopedRouteConfigurationsList(); list != nil {
		return list.GetScopedRouteConfigurations()
	}
	var scopes []*routev3.ScopedRouteConfiguration
	for _, r := range h.view.proxy.ScopedRoutes {
		if r.Owner != config.GetName() && r.Owner != "" && r.Owner != r.Name() {
			continue
		}
		scope, err := r.ScopedRouteConfiguration()
		if err != nil {
			h.unknown("scope "+r.Name(), "it could not be decoded: "+err.Error())
			continue
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

func sameKey(key *routev3.ScopedRouteConfiguration_Key, fragments []string) bool {
	if len(key.GetFragments()) != len(fragments) {
		return false
	}
	for i, f := range key.GetFragments() {
		if f.GetStringKey() != fragments[i] {
			return false
		}
	}
	return true
}

// scopeKey builds the key of a request; complete is false where a fragment is
// missing, and then no scope fits.
func scopeKey(builder *hcmv3.ScopedRoutes_ScopeKeyBuilder, headers request.Headers) (key []string, complete bool) {
	for _, fragment := range builder.GetFragments() {
		value, ok := headerFragment(fragment.GetHeaderValueExtractor(), headers)
		if !ok {
			return nil, false
		}
		key = append(key, value)
	}
	return key, true
}

// headerFragment takes one element out of a header's first value.
func headerFragment(e *hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor, headers request.Headers) (string, bool) {
	values := headers.Values(e.GetName())
	if len(values) == 0 {
		return "", false
	}
	elements := []string{values[0]}
	if separator := e.GetElementSeparator(); separator != "" {
		elements = strings.Split(values[0], separator)
	}
	element := e.GetElement()
	if element == nil {
		index := int(e.GetIndex())
		if index >= len(elements) {
			return "", false
		}
		return elements[index], true
	}
	for _, text := range elements {
		name, value, found := strings.Cut(text, element.GetSeparator())
		if name == element.GetKey() {
			if !found {
				value = ""
			}
			return value, true
		}
	}
	return "", false
}
