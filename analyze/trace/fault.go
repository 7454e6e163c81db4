package trace

import (
	"fmt"
	"slices"

	commonfaultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// fault injects what a fault filter injects.
func (h *hop) fault(f *httpFilter, config *faultv3.HTTPFault) bool {
	if !h.faulty(config) {
		return true
	}
	h.delay(f, config.GetDelay())
	abort := h.abortOf(config.GetAbort())
	if abort.share <= 0 {
		return true
	}
	aborts := h.walk.choices.chance(abort.share)
	reason := fmt.Sprintf("aborts %s of the requests with %s", percent(abort.share), abort.text())
	h.filterStep(f.Name, reason)
	if !aborts {
		return true
	}
	h.routeSteps()
	h.reply(DirectResponse, abort.status, "FI", "fault_filter_abort", f.Name+" "+reason)
	if abort.grpc != nil && h.isGRPC() {
		h.out.Outcome.GRPCStatus = int(*abort.grpc)
	}
	return false
}

// faulty reports whether the filter is for the request.
func (h *hop) faulty(config *faultv3.HTTPFault) bool {
	for _, header := range config.GetHeaders() {
		if match.CompileHeader(header).Match(h.attrs.Headers).Outcome != match.Yes {
			return false
		}
	}
	if c := config.GetUpstreamCluster(); c != "" && c != h.out.Outcome.Cluster {
		return false
	}
	nodes := config.GetDownstreamNodes()
	return len(nodes) == 0 || slices.Contains(nodes, h.header("x-envoy-downstream-service-node"))
}

func (h *hop) delay(f *httpFilter, delay *commonfaultv3.FaultDelay) {
	text, share := delay.GetFixedDelay().AsDuration().String(), shareOf(delay.GetPercentage())
	if delay.GetHeaderDelay() != nil {
		milliseconds, ok := decimal(h.header("x-envoy-fault-delay-request"))
		if !ok {
			return
		}
		text = fmt.Sprintf("%dms", milliseconds)
		share = h.shareByHeader("x-envoy-fault-delay-request-percentage", delay.GetPercentage())
	}
	if delay.GetFaultDelaySecifier() == nil || share <= 0 {
		return
	}
	h.filterStep(f.Name, fmt.Sprintf("delays %s of the requests by %s", percent(share), text))
	if h.walk.choices.chance(share) {
		h.out.Outcome.Flags = "DI"
	}
}

// abort is how a fault filter answers a share of the requests.
type abort struct {
	status int
	grpc   *uint64 // the grpc-status; nil to go by status
	share  float64
}

func (a *abort) text() string {
	if a.grpc != nil {
		return fmt.Sprintf("grpc-status %d", *a.grpc)
	}
	return fmt.Sprint(a.status)
}

// abortOf is what the filter or, where it leaves that to the request, its headers
// say. The share is 0 where there is nothing to abort with.
func (h *hop) abortOf(config *faultv3.FaultAbort) abort {
	share := shareOf(config.GetPercentage())
	switch kind := config.GetErrorType().(type) {
	case *faultv3.FaultAbort_HttpStatus:
		return abort{status: int(kind.HttpStatus), share: share}
	case *faultv3.FaultAbort_GrpcStatus:
		grpc := uint64(kind.GrpcStatus)
		return abort{status: 200, grpc: &grpc, share: share}
	case *faultv3.FaultAbort_HeaderAbort_:
		share = h.shareByHeader("x-envoy-fault-abort-request-percentage", config.GetPercentage())
		if grpc, ok := decimal(h.header("x-envoy-fault-abort-grpc-request")); ok {
			return abort{status: 200, grpc: &grpc, share: share}
		}
		if status, ok := decimal(h.header("x-envoy-fault-abort-request")); ok && status >= 200 && status < 600 {
			return abort{status: int(status), share: share}
		}
	}
	return abort{}
}

// shareByHeader is a configured share, or less where a header of the request says so.
func (h *hop) shareByHeader(name string, configured *typev3.FractionalPercent) float64 {
	share := shareOf(configured)
	if numerator, ok := decimal(h.header(name)); ok && numerator < uint64(configured.GetNumerator()) {
		return shareOf(&typev3.FractionalPercent{Numerator: uint32(numerator), Denominator: configured.GetDenominator()})
	}
	return share
}
