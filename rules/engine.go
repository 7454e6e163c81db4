package rules

import (
	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/trace"
)

// engineOf returns the trace engine of the capture, which all rules of a run share.
func engineOf(pass *analyze.Pass) *trace.Engine {
	return analyze.Once(pass, nil, func() *trace.Engine { return trace.New(pass.Capture) })
}
