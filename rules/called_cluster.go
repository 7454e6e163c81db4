package rules

import (
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// calledClusters judges the clusters that filters call on the side.
type calledClusters struct {
	proxy *mesh.Proxy
	known *clusterIndex
	hosts *hostIndex
}

// newCalledClusters returns nil where the dump cannot tell of clusters: without all
// of them, or where clusters are fetched on demand.
func newCalledClusters(pass *analyze.Pass, p *mesh.Proxy) *calledClusters {
	if _, onDemand := clusterReferences(pass, p); onDemand {
		return nil
	}
	return &calledClusters{proxy: p, known: newClusterIndex(p), hosts: hostIndexOf(pass, p)}
}

// fault says why a call to the cluster fails, with the severity that is proven; ""
// if nothing is known to be wrong.
func (c *calledClusters) fault(name string, grpc bool) (why string, severity analyze.Severity) {
	r := c.proxy.Active(mesh.Cluster, name)
	switch {
	case c.known.warming[name] && r == nil:
		return "cluster " + name + " is still warming", analyze.Warning
	case r == nil:
		return "there is no cluster " + name, analyze.Error
	case grpc && !mayUseHTTP2(r):
		return "cluster " + name + " speaks HTTP/1.1, and gRPC needs HTTP/2", analyze.Warning
	case r.Peek("type") != "EDS" || !c.proxy.Has(mesh.Endpoint) && c.proxy.ClusterStatus == nil:
		return "", 0
	}
	if none := c.hosts.none(r); none != "" {
		return fmt.Sprintf("cluster %s %s", name, none), analyze.Error
	}
	return "", 0
}

// mayUseHTTP2 reads the JSON of a cluster for any of the ways to have HTTP/2; what
// follows the client's protocol or is negotiated counts.
func mayUseHTTP2(r *mesh.Resource) bool {
	return containsAny(r.Raw(), [][]byte{
		[]byte("http2_protocol_options"), []byte("http2ProtocolOptions"), []byte("http3_protocol_options"), []byte("http3ProtocolOptions"),
		[]byte("auto_config"), []byte("autoConfig"),
		[]byte("use_downstream_protocol"), []byte("useDownstreamProtocol"), []byte("USE_DOWNSTREAM_PROTOCOL"),
	})
}

// callFault is why requests that wait for a call fail.
type callFault struct {
	cluster string
	grpc    bool
	// allowed is set where requests go on without an answer.
	allowed bool
	// what is the beginning of the message: who calls.
	what string
	// then says what becomes of requests.
	then string
}

// callFault adds a finding where the call fails.
func (f *fold) callFault(p *mesh.Proxy, l *guardedListener, c *guardedChain, clusters *calledClusters, call callFault) {
	why, severity := clusters.fault(call.cluster, call.grpc)
	if why == "" {
		return
	}
	finding := analyze.Finding{
		Severity: severity,
		Ref:      p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source,
		Message:  fmt.Sprintf("%s: %s; %s", call.what, why, call.then),
		Evidence: []analyze.Evidence{{Name: "cluster", Value: call.cluster}},
	}
	if call.allowed {
		finding.Severity = min(severity, analyze.Warning)
	}
	if finding.Severity != analyze.Error {
		finding.Confidence = analyze.Likely
	}
	if r := p.Active(mesh.Cluster, call.cluster); r != nil {
		finding.Related = []analyze.Location{{Ref: p.Ref(mesh.Cluster, call.cluster), Source: r.Source, Message: "the cluster that is called"}}
	}
	f.add(finding.Message, finding, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "the filter that calls it"})
}
