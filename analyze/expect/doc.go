// Package expect compares what a proxy would do with what somebody expects, or
// has seen.
//
// Requests come from access logs ([FormatsOf], [ReadLog]), from the test files of
// Envoy's router_check_tool ([ReadRouterCheck]) and from suites of expectations in
// a YAML of this project's own ([ReadSuite]). What the configuration makes of a
// request is a [Prediction]; [Compare] holds it against an [Expectation],
// [Explained] against an observation.
package expect
