package trace

import (
	"fmt"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// defaultTimeout is that of a route without a timeout.
const defaultTimeout = 15 * time.Second

// router does what the route says, behind all filters.
func (h *hop) router() bool {
	h.routeSteps()
	r := h.route
	if r.route == nil {
		return h.withoutRoute()
	}
	switch action := r.route.message.GetAction().(type) {
	case *routev3.Route_Redirect:
		return h.redirect()
	case *routev3.Route_DirectResponse:
		return h.directResponse(action.DirectResponse)
	case *routev3.Route_Route:
		return h.routeAction(action.Route)
	case *routev3.Route_NonForwardingAction:
		return h.reply(NoCluster, 503, "NC", "cluster_not_found", "non_forwarding_action: the route is not for forwarding")
	}
	h.unknown("the action of route "+r.route.label, "what becomes of the request")
	return h.end(Unmodelled, "route "+r.route.label+" has no action that is modelled")
}

// withoutRoute ends a request that no route was found for.
func (h *hop) withoutRoute() bool {
	r := h.route
	switch {
	case r.unknown.Outcome == match.Unknown:
		h.unknown(r.unknown.Condition, r.unknown.Want+": which route is taken depends on it")
		return h.end(Unmodelled, r.reason)
	case r.upgradeToTLS:
		location := "https://" + h.header(":authority") + h.header(":path")
		h.out.Outcome.Location = location
		return h.reply(Redirect, 301, "", "direct_response", "require_tls of virtual host "+r.host.name+": redirect to "+location)
	}
	return h.reply(r.missing, 404, "NR", "route_not_found", r.reason)
}

func (h *hop) header(name string) string {
	value, _ := h.attrs.Headers.Get(name)
	return value
}

// note adds to the step being worked at.
func (h *hop) note(text string) {
	last := &h.out.Steps[len(h.out.Steps)-1]
	last.Notes = append(last.Notes, text)
}

func (h *hop) redirect() bool {
	redirect := h.route.compiled().redirect
	if redirect.Unknown != "" {
		h.unknown("redirect of route "+h.route.route.label, redirect.Unknown)
	}
	location := redirect.Location(&h.attrs)
	h.out.Outcome.Location = location
	return h.reply(Redirect, redirect.Status, "", "direct_response", fmt.Sprintf("route %s redirects to %s", h.route.route.label, location))
}

func (h *hop) directResponse(action *routev3.DirectResponseAction) bool {
	body := action.GetBody().GetInlineString()
	if body == "" {
		body = string(action.GetBody().GetInlineBytes())
	}
	h.out.Outcome.Body = body
	// Where the status wants a location Envoy gives the request's own.
	if status := action.GetStatus(); status == 201 || status >= 300 && status < 400 {
		h.out.Outcome.Location = match.CompileRedirect(nil, nil).Location(&h.attrs)
	}
	verdict, reason := DirectResponse, fmt.Sprintf("route %s answers %d itself", h.route.route.label, action.GetStatus())
	switch host := h.route.host.name; {
	case strings.HasPrefix(host, "blackhole:"):
		verdict, reason = BlackHole, fmt.Sprintf("no VirtualService is bound to this port of the gateway: virtual host %s answers %d", host, action.GetStatus())
	case host == "block_all":
		verdict = BlackHole
		reason = fmt.Sprintf("nothing in the route configuration knows %s, and the proxy may reach registered hosts only: virtual host %s answers %d",
			h.header(":authority"), host, action.GetStatus())
	}
	return h.reply(verdict, int(action.GetStatus()), "", "direct_response", reason)
}

// routeAction sends the request to a cluster.
func (h *hop) routeAction(action *routev3.RouteAction) bool {
	r := h.route
	h.rewrite()
	h.policies(action)
	name, reason, ok := h.clusterName(action)
	if !ok {
		return false
	}
	h.mirrors(action)
	if !h.useCluster(name, reason) {
		return false
	}
	return h.loadBalance(lbCriteria(action.GetMetadataMatch(), r.weighted.GetMetadataMatch()))
}

// upgrade refuses an upgrade or CONNECT that neither route nor connection manager
// allows, whatever the route would do. Without a route it is a request like others.
func (h *hop) upgrade() bool {
	kind := h.upgradeKind()
	if kind == "" || h.route.route == nil && !h.route.upgradeToTLS {
		return true
	}
	var action *routev3.RouteAction
	if h.route.route != nil {
		action = h.route.route.message.GetRoute()
	}
	for _, u := range action.GetUpgradeConfigs() {
		if !strings.EqualFold(u.GetUpgradeType(), kind) {
			continue
		}
		if u.GetEnabled() == nil || u.GetEnabled().GetValue() {
			h.connects = u.GetConnectConfig() != nil
			return true
		}
		return h.reply(Denied, 403, "", "upgrade_failed", "the route disables the upgrade to "+kind)
	}
	for _, u := range h.manager.config.GetUpgradeConfigs() {
		if strings.EqualFold(u.GetUpgradeType(), kind) && (u.GetEnabled() == nil || u.GetEnabled().GetValue()) {
			return true
		}
	}
	return h.reply(Denied, 403, "", "upgrade_failed", kind+" is not among the upgrade_configs")
}

// pickCluster decides among weighted clusters, as Envoy does when it finds the
// route.
func (h *hop) pickCluster() {
	r := h.route
	weighted := r.route.message.GetRoute().GetWeightedClusters()
	clusters := weighted.GetClusters()
	if len(clusters) == 0 {
		return
	}
	weights := make([]uint64, len(clusters))
	for i, c := range clusters {
		weights[i] = uint64(c.GetWeight().GetValue())
	}
	taken, share := h.pickWeighted(weights, h.randomOf(weighted))
	r.weighted, r.share = clusters[taken], share
}

// randomOf is the value that decides among weighted clusters, where it is known.
func (h *hop) randomOf(weighted *routev3.WeightedCluster) *uint64 {
	if name := weighted.GetHeaderName(); name != "" {
		if value, ok := decimal(h.header(name)); ok {
			return &value
		}
	}
	return h.attrs.Random
}

// pickWeighted picks an option by weight: by the random value if there is one, and
// else by chance.
func (h *hop) pickWeighted(weights []uint64, random *uint64) (taken int, share float64) {
	if random == nil {
		random = h.attrs.Random
	}
	shares := normalised(weights)
	var total uint64
	for _, w := range weights {
		total += w
	}
	if total == 0 {
		return 0, 1
	}
	if random == nil {
		taken = h.walk.choices.pick(shares)
		return taken, shares[taken]
	}
	selected := *random % total
	for i, w := range weights {
		if selected < w {
			return i, shares[i]
		}
		selected -= w
	}
	return len(weights) - 1, shares[len(weights)-1]
}

// clusterName is the cluster that the route action names for this request.
func (h *hop) clusterName(action *routev3.RouteAction) (name, reason string, ok bool) {
	r := h.route
	switch specifier := action.GetClusterSpecifier().(type) {
	case *routev3.RouteAction_Cluster:
		return specifier.Cluster, "route " + r.route.label, true
	case *routev3.RouteAction_WeightedClusters:
		reason = fmt.Sprintf("weighted_clusters: %s of the requests", percent(r.share))
		if header := r.weighted.GetClusterHeader(); header != "" && r.weighted.GetName() == "" {
			return h.header(header), reason + ", named by header " + header, true
		}
		return r.weighted.GetName(), reason, true
	case *routev3.RouteAction_ClusterHeader:
		return h.header(specifier.ClusterHeader), "header " + specifier.ClusterHeader, true
	}
	h.unknown("cluster specifier of route "+r.route.label, "a plugin names the cluster")
	return "", "", h.end(Unmodelled, "route "+r.route.label+" lets a plugin choose the cluster")
}

// timeoutOf is the timeout of a route; 0 is none.
func timeoutOf(action *routev3.RouteAction) time.Duration {
	if action.GetTimeout() == nil {
		return defaultTimeout
	}
	return action.GetTimeout().AsDuration()
}

// policies notes timeout and retries.
func (h *hop) policies(action *routev3.RouteAction) {
	if timeout := timeoutOf(action); timeout > 0 {
		h.out.Outcome.Timeout = timeout
		h.note("timeout " + timeout.String())
	} else {
		h.note("no timeout")
	}
	retry := action.GetRetryPolicy()
	if retry == nil {
		retry = h.route.host.message.GetRetryPolicy()
	}
	if retry.GetRetryOn() != "" {
		retries := uint32(1)
		if retry.GetNumRetries() != nil {
			retries = retry.GetNumRetries().GetValue()
		}
		h.note(fmt.Sprintf("up to %d retries on %s", retries, retry.GetRetryOn()))
	}
}

// mirrors notes the clusters that get a copy.
func (h *hop) mirrors(action *routev3.RouteAction) {
	policies := action.GetRequestMirrorPolicies()
	if len(policies) == 0 {
		policies = h.route.host.message.GetRequestMirrorPolicies()
	}
	if len(policies) == 0 {
		policies = h.route.table.message.GetRequestMirrorPolicies()
	}
	for _, p := range policies {
		m := Mirror{Cluster: p.GetCluster(), Share: 1}
		if header := p.GetClusterHeader(); header != "" {
			m.Cluster = h.header(header)
		}
		if fraction := p.GetRuntimeFraction(); fraction != nil {
			m.Share = shareOf(fraction.GetDefaultValue())
		}
		h.out.Outcome.Mirrors = append(h.out.Outcome.Mirrors, m)
		h.note(fmt.Sprintf("%s mirrored to %s", percent(m.Share), m.Cluster))
	}
}
