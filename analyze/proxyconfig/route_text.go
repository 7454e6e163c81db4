package proxyconfig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// DomainSummary is what istioctl prints of a virtual host's domains: the first two of those without
// port and without a shorter form, and how many more there are.
func DomainSummary(domains []string) string {
	if len(domains) == 1 {
		return domains[0]
	}
	const shown = 2
	kept := withoutLongForms(withoutPorts(domains))
	if more := len(kept) - shown; more > 0 {
		return fmt.Sprintf("%s + %d more...", strings.Join(kept[:shown], ", "), more)
	}
	return strings.Join(kept, ", ")
}

func withoutPorts(domains []string) []string {
	var kept []string
	for _, d := range domains {
		bareIPv6 := strings.Count(d, ":") > 2 && strings.HasSuffix(d, "]")
		if !strings.Contains(d, ":") || bareIPv6 {
			kept = append(kept, d)
		}
	}
	return kept
}

// withoutLongForms drops "x.svc" and "x.svc.cluster.local" where x is there.
func withoutLongForms(domains []string) []string {
	have := make(map[string]bool, len(domains))
	for _, d := range domains {
		have[d] = true
	}
	return slices.DeleteFunc(domains, func(d string) bool {
		for _, suffix := range []string{".svc.cluster.local", ".svc"} {
			if short, long := strings.CutSuffix(d, suffix); long && have[short] {
				return true
			}
		}
		return false
	})
}

// pathMatch is the path's part of a match, as istioctl prints it; "" for a match on something else,
// such as CONNECT.
func pathMatch(m *routev3.RouteMatch) string {
	switch {
	case m.GetPrefix() != "":
		return m.GetPrefix() + "*"
	case m.GetPathSeparatedPrefix() != "":
		return "PathPrefix:" + m.GetPathSeparatedPrefix()
	case m.GetPath() != "":
		return m.GetPath()
	case m.GetSafeRegex() != nil:
		return "regex " + m.GetSafeRegex().GetRegex()
	}
	return ""
}

// conditions are what a match asks for besides the path.
func conditions(m *routev3.RouteMatch) []string {
	var out []string
	if m.GetConnectMatcher() != nil {
		out = append(out, "CONNECT")
	}
	if template := m.GetPathMatchPolicy(); template != nil {
		out = append(out, "path template "+template.GetName())
	}
	if ignore := m.GetCaseSensitive(); ignore != nil && !ignore.GetValue() {
		out = append(out, "any case")
	}
	for _, h := range m.GetHeaders() {
		out = append(out, headerCondition(h))
	}
	for _, q := range m.GetQueryParameters() {
		out = append(out, queryCondition(q))
	}
	for _, c := range m.GetCookies() {
		out = append(out, "cookie "+c.GetName()+stringCondition(c.GetStringMatch()))
	}
	if m.GetGrpc() != nil {
		out = append(out, "gRPC")
	}
	if share := m.GetRuntimeFraction(); share != nil {
		out = append(out, fmt.Sprintf("%d of %d requests", share.GetDefaultValue().GetNumerator(), denominator(share.GetDefaultValue().GetDenominator())))
	}
	return out
}

func denominator(d typev3.FractionalPercent_DenominatorType) int {
	switch d {
	case typev3.FractionalPercent_TEN_THOUSAND:
		return 10_000
	case typev3.FractionalPercent_MILLION:
		return 1_000_000
	}
	return 100
}

func headerCondition(h *routev3.HeaderMatcher) string {
	text := h.GetName()
	switch {
	case h.GetStringMatch() != nil:
		text += stringCondition(h.GetStringMatch())
	case h.GetSafeRegexMatch() != nil:
		text += "~" + h.GetSafeRegexMatch().GetRegex()
	case h.GetRangeMatch() != nil:
		text += fmt.Sprintf(" in [%d,%d)", h.GetRangeMatch().GetStart(), h.GetRangeMatch().GetEnd())
	case h.GetExactMatch() != "":
		text += "=" + h.GetExactMatch()
	case h.GetPrefixMatch() != "":
		text += "=" + h.GetPrefixMatch() + "*"
	case h.GetSuffixMatch() != "":
		text += "=*" + h.GetSuffixMatch()
	case h.GetContainsMatch() != "":
		text += "=*" + h.GetContainsMatch() + "*"
	case isAbsentMatch(h):
		text += " absent"
	default:
		text += " present"
	}
	if h.GetInvertMatch() {
		return "not " + text
	}
	return text
}

// isAbsentMatch finds present_match: false, which asks for the header not to be there.
func isAbsentMatch(h *routev3.HeaderMatcher) bool {
	present, ok := h.GetHeaderMatchSpecifier().(*routev3.HeaderMatcher_PresentMatch)
	return ok && !present.PresentMatch
}

func queryCondition(q *routev3.QueryParameterMatcher) string {
	if q.GetStringMatch() == nil {
		return "?" + q.GetName() + " present"
	}
	return "?" + q.GetName() + stringCondition(q.GetStringMatch())
}

func stringCondition(m *matcherv3.StringMatcher) string {
	switch {
	case m.GetPrefix() != "":
		return "=" + m.GetPrefix() + "*"
	case m.GetSuffix() != "":
		return "=*" + m.GetSuffix()
	case m.GetContains() != "":
		return "=*" + m.GetContains() + "*"
	case m.GetSafeRegex() != nil:
		return "~" + m.GetSafeRegex().GetRegex()
	case m.GetCustom() != nil:
		return "=" + strings.TrimPrefix(m.GetCustom().GetTypedConfig().GetTypeUrl(), typePrefix)
	}
	return "=" + m.GetExact()
}

// actionText says where a route leads.
func actionText(r *routev3.Route) string {
	switch {
	case r.GetRoute() != nil:
		return forwardText(r.GetRoute())
	case r.GetRedirect() != nil:
		return redirectText(r.GetRedirect())
	case r.GetDirectResponse() != nil:
		return "response " + strconv.Itoa(int(r.GetDirectResponse().GetStatus()))
	case r.GetNonForwardingAction() != nil:
		return "served by Envoy"
	case r.GetFilterAction() != nil:
		return "filter " + strings.TrimPrefix(r.GetFilterAction().GetAction().GetTypeUrl(), typePrefix)
	}
	return "none"
}

func forwardText(a *routev3.RouteAction) string {
	switch {
	case a.GetWeightedClusters() != nil:
		var parts []string
		for _, c := range a.GetWeightedClusters().GetClusters() {
			name := c.GetName()
			if name == "" {
				name = "cluster of header " + c.GetClusterHeader()
			}
			parts = append(parts, fmt.Sprintf("%s %d", name, c.GetWeight().GetValue()))
		}
		return "weighted: " + strings.Join(parts, ", ")
	case a.GetClusterHeader() != "":
		return "cluster of header " + a.GetClusterHeader()
	case a.GetClusterSpecifierPlugin() != "":
		return "cluster by plugin " + a.GetClusterSpecifierPlugin()
	case a.GetInlineClusterSpecifierPlugin() != nil:
		return "cluster by plugin " + a.GetInlineClusterSpecifierPlugin().GetExtension().GetName()
	}
	return a.GetCluster()
}

// redirectText leaves out what stays as it was requested; the host stands as HOST before a scheme or
// port that changes.
func redirectText(r *routev3.RedirectAction) string {
	scheme, host := r.GetSchemeRedirect(), r.GetHostRedirect()
	if r.GetHttpsRedirect() {
		scheme = "https"
	}
	if host == "" && (scheme != "" || r.GetPortRedirect() != 0) {
		host = "HOST"
	}
	var target strings.Builder
	if scheme != "" {
		target.WriteString(scheme + "://")
	}
	target.WriteString(host)
	if port := r.GetPortRedirect(); port != 0 {
		fmt.Fprintf(&target, ":%d", port)
	}
	target.WriteString(r.GetPathRedirect())
	switch {
	case r.GetPrefixRewrite() != "":
		target.WriteString(r.GetPrefixRewrite() + "*")
	case r.GetRegexRewrite() != nil:
		fmt.Fprintf(&target, " s/%s/%s/", r.GetRegexRewrite().GetPattern().GetRegex(), r.GetRegexRewrite().GetSubstitution())
	}
	return fmt.Sprintf("redirect %d %s", redirectCode(r.GetResponseCode()), target.String())
}

func redirectCode(c routev3.RedirectAction_RedirectResponseCode) int {
	switch c {
	case routev3.RedirectAction_FOUND:
		return 302
	case routev3.RedirectAction_SEE_OTHER:
		return 303
	case routev3.RedirectAction_TEMPORARY_REDIRECT:
		return 307
	case routev3.RedirectAction_PERMANENT_REDIRECT:
		return 308
	}
	return 301
}

// rewrites is what a route changes of path and host.
func rewrites(a *routev3.RouteAction) string {
	var parts []string
	switch {
	case a.GetPrefixRewrite() != "":
		parts = append(parts, "prefix "+a.GetPrefixRewrite())
	case a.GetRegexRewrite() != nil:
		parts = append(parts, fmt.Sprintf("path s/%s/%s/", a.GetRegexRewrite().GetPattern().GetRegex(), a.GetRegexRewrite().GetSubstitution()))
	case a.GetPathRewritePolicy() != nil:
		parts = append(parts, "path by "+a.GetPathRewritePolicy().GetName())
	}
	switch {
	case a.GetHostRewriteLiteral() != "":
		parts = append(parts, "host "+a.GetHostRewriteLiteral())
	case a.GetHostRewriteHeader() != "":
		parts = append(parts, "host of header "+a.GetHostRewriteHeader())
	case a.GetAutoHostRewrite().GetValue():
		parts = append(parts, "host of the endpoint")
	}
	return strings.Join(parts, ", ")
}
