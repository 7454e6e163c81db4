package expect

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/request"
)

// record is what one line of an access log says.
type record struct {
	// values are the fields with "" for what was absent ("-", or null).
	values [fieldCount]string
	// named are the fields that the format has, absent or not.
	named   [fieldCount]bool
	headers request.Headers
	cut     bool // the path reaches the length at which the format cuts
}

// skippedHeaders are those of which a log line does not tell what the client sent.
var skippedHeaders = map[string]bool{"x-forwarded-for": true, "x-envoy-external-address": true}

// set notes what a command operator wrote.
func (r *record) set(op operator, text string) {
	f, name := op.meaning()
	if f == noField {
		return
	}
	cut := op.limit > 0 && len(text) >= op.limit
	if cut && (f == path || f == barePath) {
		r.cut = true
	}
	if cut {
		text = ""
	}
	if text == "-" {
		text = ""
	}
	if f == header {
		r.setHeader(name, text)
		return
	}
	r.setField(f, text)
}

func (r *record) setField(f field, text string) {
	r.named[f] = true
	if r.values[f] == "" {
		r.values[f] = text
	}
}

func (r *record) setHeader(name, text string) {
	if text == "" || skippedHeaders[name] || r.headers.Has(name) {
		return
	}
	r.headers = append(r.headers, request.Header{Name: name, Value: text})
}

// line is the request that the record tells of.
func (r *record) line() (request.Line, error) {
	line := request.Line{Direction: directionOf(r.values[cluster])}
	line.Request = request.Request{
		To:        r.destination(),
		From:      r.source(),
		Protocol:  r.protocol(),
		Method:    r.values[method],
		Scheme:    r.values[scheme],
		Authority: r.values[authority],
		Path:      r.path(),
		Headers:   r.headers,
	}
	line.Request.TLS = r.tls(line.Request.Protocol)
	line.Observed = r.observed()
	if line.Request.IsTCP() {
		line.Observed.Protocol = request.TCP
		if line.Request.To == "" {
			return line, ErrNoRequest
		}
		return line, nil
	}
	if r.cut {
		return line, ErrCut
	}
	if line.Request.Path == "" || r.named[method] && line.Request.Method == "" {
		return line, ErrNoRequest
	}
	return line, nil
}

// time is %START_TIME%; zero where the line has none in a form that is known.
func (r *record) time() time.Time { return parseTime(r.values[startTime]) }

func (r *record) observed() *request.Observed {
	code, err := strconv.Atoi(r.values[status])
	if err != nil || code < 0 || code > 999 {
		code = 0
	}
	seen := &request.Observed{
		Status:      code,
		Flags:       r.values[flags],
		Details:     r.values[details],
		FilterChain: r.values[filterChain],
		Route:       r.values[routeName],
		Cluster:     clusterName(r.values[cluster]),
		Upstream:    strings.TrimPrefix(r.values[upstreamHost], "tcp://"), // as Envoy wrote it before 1.9
		Location:    r.values[location],
	}
	if seen.Details == "" {
		seen.Details = r.values[terminationDetails]
	}
	return seen
}

func (r *record) path() string {
	if r.values[path] != "" {
		return r.values[path]
	}
	return r.values[barePath]
}

// protocol is the request's protocol. A connection without HTTP has neither
// protocol nor method nor path, in a format that would show them.
func (r *record) protocol() string {
	switch text := strings.ToUpper(r.values[protocol]); {
	case strings.HasPrefix(text, "HTTP/1.0"):
		return request.HTTP10
	case strings.HasPrefix(text, "HTTP/1"):
		return request.HTTP1
	case r.isGRPC():
		return request.GRPC
	case strings.HasPrefix(text, "HTTP/"): // HTTP/3 is routed as HTTP/2 is
		return request.HTTP2
	}
	if r.values[method] != "" || r.path() != "" || r.values[authority] != "" {
		return ""
	}
	if r.named[protocol] || r.named[method] && r.named[path] {
		return request.TCP
	}
	return ""
}

func (r *record) isGRPC() bool {
	kind, _ := r.headers.Get("content-type")
	if kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+") {
		return true
	}
	return r.values[grpcStatus] != "" && strings.HasPrefix(strings.ToUpper(r.values[protocol]), "HTTP/2")
}

func (r *record) destination() string {
	text := r.values[localAddress]
	if port := r.values[localPort]; port != "" && text != "" && !isAddressPort(text) {
		text = joinPort(text, port)
	}
	if !isAddressPort(text) {
		return "" // a pipe, or an address internal to Envoy
	}
	return text
}

func joinPort(ip, port string) string {
	addr, err := netip.ParseAddr(strings.Trim(ip, "[]"))
	if err != nil {
		return ""
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(addr, uint16(number)).String()
}

func isAddressPort(text string) bool {
	_, err := netip.ParseAddrPort(text)
	return err == nil
}

func (r *record) source() string {
	if text := r.values[remoteAddress]; isAddressPort(text) {
		return text
	}
	for _, text := range []string{r.values[remoteIP], r.values[remoteAddress]} {
		if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			return addr.String()
		}
	}
	return ""
}

// tls is what is known of the client's handshake; nil where nothing speaks for one.
func (r *record) tls(protocol string) *request.TLS {
	name, peer := r.values[serverName], r.values[peerURISAN]
	if name == "" && peer == "" && r.values[tlsVersion] == "" {
		return nil
	}
	first, _, _ := strings.Cut(peer, ",")
	return &request.TLS{SNI: name, ALPN: istioALPN(name, protocol), ClientURISAN: first}
}

// istioALPN is the ALPN list that a sidecar offers along with an SNI of Istio's
// own form, "outbound_.9080_.v1_.reviews.default.svc.cluster.local".
func istioALPN(sni, protocol string) []string {
	if !strings.HasPrefix(sni, "outbound_.") {
		return nil
	}
	switch protocol {
	case request.TCP:
		return []string{"istio-peer-exchange", "istio"}
	case request.HTTP2, request.GRPC:
		return []string{"istio-h2", "istio"}
	case request.HTTP10:
		return []string{"istio-http/1.0", "istio"}
	}
	return []string{"istio-http/1.1", "istio"}
}

// clusterName takes the end off that Istio gives its alt_stat_name, which
// %UPSTREAM_CLUSTER% shows: "outbound|80||a.b;".
func clusterName(text string) string { return strings.TrimSuffix(text, ";") }

// directionOf tells the side of a sidecar by the names that Istio gives clusters.
func directionOf(name string) request.Direction {
	switch {
	case strings.HasPrefix(name, "inbound|"), strings.HasPrefix(name, "InboundPassthroughCluster"):
		return request.Inbound
	case strings.HasPrefix(name, "outbound|"), clusterName(name) == "PassthroughCluster":
		return request.Outbound
	}
	return ""
}

// timeLayouts are those in use for %START_TIME% and in JSON logs. Fractions of a
// second are read though they are not named.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006/01/02 15:04:05", "2006/01/02T15:04:05Z07:00", "02/Jan/2006:15:04:05 -0700"}

func parseTime(text string) time.Time {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return parseEpoch(text)
}

// parseEpoch reads seconds since 1970 with a fraction, or whole milli-, micro- or
// nanoseconds, which their number of digits tells.
func parseEpoch(text string) time.Time {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(whole) < 10 || len(whole)+len(fraction) > 19 {
		return time.Time{}
	}
	if fraction != "" && len(whole) > 10 {
		return time.Time{}
	}
	digits := whole + fraction
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 0 {
		return time.Time{}
	}
	for range 19 - len(digits) {
		number *= 10
	}
	return time.Unix(0, number).UTC()
}
