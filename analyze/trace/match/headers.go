package match

import (
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshray/meshray/analyze/request"
)

// noHeader is what Result.Got says where the request lacks the header.
const noHeader = "no such header"

type headerKind int8

const (
	headerString headerKind = iota
	headerAny               // an empty exact_match, which takes every value
	headerRange
	headerPresent
)

// Header is a compiled envoy.config.route.v3.HeaderMatcher.
type Header struct {
	name, condition string
	kind            headerKind
	value           *String
	from, to        int64 // range_match, to excluded
	present         bool  // for headerPresent
	invert          bool
	missingIsEmpty  bool
	joined          bool // lines of the name reach matchers as one
	want            string
}

// CompileHeader prepares a HeaderMatcher in its present form or in one of the
// deprecated ones. A matcher that names no condition asks that the header is there.
func CompileHeader(m *routev3.HeaderMatcher) *Header {
	h := &Header{
		name:           headerName(m.GetName()),
		condition:      "header " + m.GetName(),
		invert:         m.GetInvertMatch(),
		missingIsEmpty: m.GetTreatMissingHeaderAsEmpty(),
		joined:         isJoined(m.GetName()),
	}
	h.specify(m)
	switch {
	case h.kind == headerPresent && h.present != h.invert:
		h.want = "present"
	case h.kind == headerPresent:
		h.want = "absent"
	case h.invert:
		h.want = "not " + h.want
	}
	return h
}

// headerName is the name to look up: Envoy keeps host as :authority.
func headerName(name string) string {
	if strings.EqualFold(name, "host") {
		return ":authority"
	}
	return name
}

// isJoined reports whether Envoy joins several lines of a header with commas when
// it reads a request. It does so for the names it has a place of its own for.
func isJoined(name string) bool {
	switch strings.ToLower(name) {
	case "accept", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"access-control-request-private-network", "authorization", "cache-control", "cdn-loop", "connection",
		"content-encoding", "content-type", "expect", "grpc-accept-encoding", "grpc-timeout", "if-match",
		"if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "origin", "pragma",
		"proxy-connection", "proxy-status", "referer", "te", "transfer-encoding", "upgrade", "user-agent", "via",
		"x-client-trace-id", "x-envoy-attempt-count", "x-envoy-decorator-operation",
		"x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node", "x-envoy-external-address",
		"x-envoy-is-timeout-retry", "x-envoy-original-host", "x-envoy-original-path", "x-forwarded-client-cert",
		"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-request-id":
		return true
	}
	return false
}

// Joined returns the headers as Envoy has them when it has read a request: several
// lines of a header that it has a place of its own for are one, empty ones left out.
func Joined(headers request.Headers) request.Headers {
	out := make(request.Headers, 0, len(headers))
	for _, header := range headers {
		at := -1
		if isJoined(header.Name) {
			at = slices.IndexFunc(out, func(h request.Header) bool { return strings.EqualFold(h.Name, header.Name) })
		}
		switch {
		case at < 0:
			out = append(out, header)
		case out[at].Value == "":
			out[at].Value = header.Value
		case header.Value != "":
			out[at].Value += "," + header.Value
		}
	}
	return out
}

func (h *Header) specify(m *routev3.HeaderMatcher) {
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_StringMatch:
		h.setString(CompileString(s.StringMatch))
	case *routev3.HeaderMatcher_ExactMatch:
		h.setString(newString(stringExact, "exact", s.ExactMatch, false))
		if s.ExactMatch == "" {
			h.kind, h.want = headerAny, "any value"
		}
	case *routev3.HeaderMatcher_PrefixMatch:
		h.setString(newString(stringPrefix, "prefix", s.PrefixMatch, false))
	case *routev3.HeaderMatcher_SuffixMatch:
		h.setString(newString(stringSuffix, "suffix", s.SuffixMatch, false))
	case *routev3.HeaderMatcher_ContainsMatch:
		h.setString(newString(stringContains, "contains", s.ContainsMatch, false))
	case *routev3.HeaderMatcher_SafeRegexMatch:
		h.setString(CompileString(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: s.SafeRegexMatch}}))
	case *routev3.HeaderMatcher_RangeMatch:
		h.setRange(s.RangeMatch)
	case *routev3.HeaderMatcher_PresentMatch:
		h.kind, h.present = headerPresent, s.PresentMatch
	default:
		h.kind, h.present = headerPresent, true
	}
}

func (h *Header) setString(s *String) { h.kind, h.value, h.want = headerString, s, s.want }

func (h *Header) setRange(r *typev3.Int64Range) {
	h.kind, h.from, h.to = headerRange, r.GetStart(), r.GetEnd()
	h.want = "range [" + strconv.FormatInt(h.from, 10) + "," + strconv.FormatInt(h.to, 10) + ")"
}

// Want is the condition on the value in words: "exact u1", "not prefix /a", "present".
func (h *Header) Want() string { return h.want }

// Match answers for the headers of a request. Where several lines have the name, a
// condition on the value holds if it does for one of them, and an inverted one if
// it does for none. A condition on the value of a header that is missing fails,
// even an inverted one, unless treat_missing_header_as_empty is set.
func (h *Header) Match(headers request.Headers) Result {
	switch h.test(headers) {
	case Yes:
		return Matched
	case Unknown:
		return Unmodelled(h.condition, h.want)
	}
	value, found := headers.Get(h.name)
	if !found {
		value = noHeader
	}
	return missed(h.condition, h.want, value)
}

func (h *Header) test(headers request.Headers) Outcome {
	if h.kind == headerPresent {
		return outcome((h.missingIsEmpty || headers.Has(h.name)) == (h.present != h.invert))
	}
	o, found := h.testLines(headers)
	switch {
	case !found && !h.missingIsEmpty:
		return No
	case !found:
		o = h.testValue("")
	}
	if h.invert {
		return o.not()
	}
	return o
}

// testLines asks of every line of the header, or of all in one where Envoy makes
// them one when it reads the request.
func (h *Header) testLines(headers request.Headers) (o Outcome, found bool) {
	if h.joined {
		value, found := headers.Get(h.name)
		return h.testValue(value), found
	}
	for _, header := range headers {
		if strings.EqualFold(header.Name, h.name) {
			o, found = o.or(h.testValue(header.Value)), true
		}
	}
	return o, found
}

// testValue is the bare condition on a value.
func (h *Header) testValue(value string) Outcome {
	switch h.kind {
	case headerString:
		return h.value.test(value)
	case headerRange:
		return outcome(h.inRange(value))
	}
	return Yes
}

func (h *Header) inRange(value string) bool {
	n, err := strconv.ParseInt(strings.Trim(value, " \t\n\v\f\r"), 10, 64)
	return err == nil && h.from <= n && n < h.to
}
