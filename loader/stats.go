package loader

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// parseStats reads Envoy's /stats as text, as JSON or in Prometheus format, and
// istiod's metrics. Histograms are left out.
func parseStats(raw []byte) (*mesh.Stats, error) {
	switch trimmed := bytes.TrimSpace(raw); {
	case firstByte(trimmed) == '{':
		return parseStatsJSON(trimmed)
	case isPrometheus(trimmed):
		return parsePrometheus(raw)
	}
	return parseStatsText(raw)
}

// linesLooked is how many lines are read to tell Prometheus from Envoy's text.
const linesLooked = 50

// isPrometheus tells by the first line that only one of both formats has: what
// kubectl prints before them is neither.
func isPrometheus(raw []byte) bool {
	number := 0
	for line := range bytes.Lines(raw) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("# TYPE ")) || bytes.HasPrefix(line, []byte("# HELP ")) {
			return true
		}
		if _, value, ok := bytes.Cut(line, []byte(": ")); ok {
			if _, ok := textSample(value); ok || isHistogram(value) {
				return false
			}
		}
		if at := bytes.LastIndexByte(line, ' '); at > 0 {
			if _, err := strconv.ParseFloat(string(line[at+1:]), 64); err == nil {
				return true
			}
		}
		if number++; number == linesLooked {
			break
		}
	}
	return false
}

// parseStatsText reads lines such as "cluster.x.upstream_cx_total: 12" and
// `control_plane.identifier: "istiod"`.
func parseStatsText(raw []byte) (*mesh.Stats, error) {
	stats := &mesh.Stats{}
	var lost lostLines
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		line = bytes.TrimSpace(line)
		name, value, ok := bytes.Cut(line, []byte(": "))
		switch {
		case len(line) == 0 || ok && isHistogram(value):
			continue
		case !ok && bytes.HasSuffix(line, []byte(":")):
			// A text readout or a histogram without a value.
			continue
		}
		sample, read := textSample(value)
		if !ok || !read {
			lost.add(number, line)
			continue
		}
		sample.Name = validText(name)
		stats.Samples = append(stats.Samples, sample)
	}
	return stats, lost.err(`"name: value"`)
}

func isHistogram(value []byte) bool {
	return bytes.HasPrefix(value, []byte("P0(")) || bytes.HasPrefix(value, []byte("No recorded values"))
}

func textSample(value []byte) (mesh.Sample, bool) {
	if text, ok := bytes.CutPrefix(value, []byte(`"`)); ok {
		text, closed := bytes.CutSuffix(text, []byte(`"`))
		return mesh.Sample{Text: validText(text)}, closed
	}
	number, err := strconv.ParseUint(string(value), 10, 64)
	return mesh.Sample{Value: float64(number)}, err == nil
}

// parseStatsJSON reads /stats?format=json.
func parseStatsJSON(raw []byte) (*mesh.Stats, error) {
	list := rawjson.Get(raw, "stats")
	if firstByte(list) != '[' {
		return &mesh.Stats{}, errors.New(`reading stats: expected an object with an array "stats", as /stats?format=json gives`)
	}
	stats := &mesh.Stats{}
	var lost lostLines
	for i, element := range rawjson.Elements(list) {
		name := rawjson.GetText(element, "name")
		if name == "" {
			continue // the element of the histograms
		}
		sample, ok := jsonSample(rawjson.Get(element, "value"))
		if !ok {
			lost.add(1+i, element)
			continue
		}
		sample.Name = name
		stats.Samples = append(stats.Samples, sample)
	}
	return stats, lost.err(`elements {"name": ..., "value": ...}, counted as lines`)
}

func jsonSample(value []byte) (mesh.Sample, bool) {
	if text, ok := rawjson.Unquote(value); ok {
		return mesh.Sample{Text: text}, true
	}
	number, err := strconv.ParseFloat(string(value), 64)
	return mesh.Sample{Value: number}, err == nil
}
