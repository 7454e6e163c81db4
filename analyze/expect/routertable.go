package expect

import (
	"fmt"
	"strconv"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/analyze/trace/match"
)

// RouterResult is what came of a test of router_check_tool.
type RouterResult struct {
	Answer *trace.TableAnswer
	// Differences are in the order in which the tool compares; none: the test passed.
	Differences []Difference
	// Covers reports whether an assertion about the route itself held: those about
	// headers, the timeout and metadata do not count for the tool's coverage.
	Covers bool
}

// Check holds the test against a route table as router_check_tool does: what is
// compared are the headers behind all rewrites, and where the route is a redirect or
// a direct response, it has no cluster, virtual host, host and path.
func (t *RouterTest) Check(table *trace.RouteTable) RouterResult {
	c := routerChecker{answer: table.Ask(trace.TableRequest{
		Request: t.Input.Request(), Metadata: t.Input.Metadata, Runtime: t.Input.Runtime, ResponseHeaders: t.Input.ResponseHeaders,
	})}
	c.route(&t.Validate)
	c.headers(&t.Validate)
	c.policy(&t.Validate)
	return RouterResult{Answer: c.answer, Differences: c.differences, Covers: c.covers}
}

type routerChecker struct {
	answer      *trace.TableAnswer
	differences []Difference
	covers      bool
}

// compare notes a difference and reports whether an assertion held; nil is none.
func (c *routerChecker) compare(field string, want *string, got string) bool {
	if want == nil || *want == got {
		return want != nil
	}
	c.differences = append(c.differences, Difference{Field: field, Want: *want, Got: got})
	return false
}

// route compares what is asked of the route itself.
func (c *routerChecker) route(want *RouterAssert) {
	o := &c.answer.Outcome
	var cluster, host, authority, path, location string
	code := "0"
	switch o.Verdict {
	case trace.Routed:
		cluster, host, authority, path = o.Cluster, o.VirtualHost, o.UpstreamAuthority, o.UpstreamPath
	case trace.Redirect, trace.DirectResponse:
		location, code = o.Location, strconv.Itoa(o.Status)
	}
	var wantCode *string
	if want.CodeRedirect != nil {
		text := strconv.Itoa(*want.CodeRedirect)
		wantCode = &text
	}
	asks := []struct {
		field string
		want  *string
		got   string
		entry bool // about a route that forwards, not one that answers
	}{
		{"cluster_name", want.Cluster, cluster, true},
		{"virtual_cluster_name", want.VirtualCluster, c.answer.VirtualCluster, true},
		{"virtual_host_name", want.VirtualHost, host, true},
		{"path_rewrite", want.PathRewrite, path, true},
		{"host_rewrite", want.HostRewrite, authority, true},
		{"path_redirect", want.PathRedirect, location, false},
		{"code_redirect", wantCode, code, false},
	}
	for _, ask := range asks {
		if c.compare(ask.field, ask.want, ask.got) && ask.entry == (o.Verdict == trace.Routed) {
			c.covers = true
		}
	}
}

// headers compares what is asked of headers.
func (c *routerChecker) headers(want *RouterAssert) {
	for _, side := range []struct {
		name    string
		got     request.Headers
		fields  request.Headers
		matches []*routev3.HeaderMatcher
	}{
		{"request", c.answer.RequestHeaders, want.RequestFields, want.RequestMatches},
		{"response", c.answer.ResponseHeaders, want.ResponseFields, want.ResponseMatches},
	} {
		for _, matcher := range side.matches {
			compiled := match.CompileHeader(matcher)
			if result := compiled.Match(side.got); result.Outcome != match.Yes {
				field := side.name + "_header_matches " + matcher.GetName()
				c.differences = append(c.differences, Difference{Field: field, Want: compiled.Want(), Got: result.Got})
			}
		}
		for _, field := range side.fields {
			got := ""
			if values := side.got.Values(field.Name); len(values) > 0 {
				got = values[0]
			}
			c.compare(side.name+"_header_fields "+field.Name, &field.Value, got)
		}
	}
}

// policy compares the timeout and the metadata of the route.
func (c *routerChecker) policy(want *RouterAssert) {
	if want.Timeout != nil {
		text, got := want.Timeout.String(), ""
		if c.answer.Outcome.Verdict == trace.Routed {
			got = c.answer.Outcome.Timeout.String()
		}
		c.compare("timeout", &text, got)
	}
	for _, m := range want.RouteMetadata {
		value := c.answer.Metadata.GetFilterMetadata()[m.Namespace].GetFields()[m.Key]
		c.compare(fmt.Sprintf("route_metadata %s %s", m.Namespace, m.Key), &m.Value, metadataText(value))
	}
}

// metadataText is a value as a test file writes it.
func metadataText(value *structpb.Value) string {
	if value == nil {
		return ""
	}
	if text, ok := value.GetKind().(*structpb.Value_StringValue); ok {
		return text.StringValue
	}
	return fmt.Sprint(value.AsInterface())
}
