package loader

import (
	"bytes"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/meshray/meshray/analyze/mesh"
)

// parsePrometheus reads the Prometheus text format into samples sorted by name.
// A parser of that format gives up at the first fault of a file; then the file is
// read one metric family at a time, and a faulty family line by line.
func parsePrometheus(raw []byte) (*mesh.Stats, error) {
	text := bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), '\n')
	}
	reader := prometheusReader{parser: newTextParser()}
	if !reader.read(text) {
		reader.readFamilies(text)
	}
	slices.SortStableFunc(reader.stats.Samples, func(a, b mesh.Sample) int { return strings.Compare(a.Name, b.Name) })
	return &reader.stats, reader.lost.err("samples of the Prometheus text format")
}

type prometheusReader struct {
	parser expfmt.TextParser
	stats  mesh.Stats
	lost   lostLines
}

func newTextParser() expfmt.TextParser { return expfmt.NewTextParser(model.UTF8Validation) }

// read adds the samples of text, all or none of them.
func (r *prometheusReader) read(text []byte) (ok bool) {
	defer func() {
		// expfmt panics on some faults, "{} 0" for one.
		if recover() != nil {
			r.parser = newTextParser()
			ok = false
		}
	}()
	families, err := r.parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return false
	}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			if value, ok := metricValue(metric); ok {
				r.stats.Samples = append(r.stats.Samples, mesh.Sample{Name: name, Labels: metricLabels(metric), Value: value})
			}
		}
	}
	return true
}

// readFamilies splits text where the comments of a new family begin.
func (r *prometheusReader) readFamilies(text []byte) {
	start, startLine, number := 0, 1, 0
	at, inComments := 0, true
	for line := range bytes.Lines(text) {
		number++
		comment := line[0] == '#'
		if comment && !inComments {
			r.readFamily(text[start:at], startLine)
			start, startLine = at, number
		}
		inComments = comment
		at += len(line)
	}
	r.readFamily(text[start:], startLine)
}

// maxFaults is the number of faults after which a faulty family is passed over:
// a parser is too much for a file of nothing but faults.
const maxFaults = 10_000

// readFamily reads one family; of a faulty one it reads what lines it can.
func (r *prometheusReader) readFamily(text []byte, startLine int) {
	if r.read(text) || isDistribution(text) {
		return
	}
	number := startLine - 1
	for line := range bytes.Lines(text) {
		number++
		if line[0] == '#' {
			continue
		}
		if r.lost.count >= maxFaults || !r.read(line) {
			r.lost.add(number, bytes.TrimSpace(line))
		}
	}
}

// isDistribution reports whether a family is a histogram or a summary.
func isDistribution(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line[0] != '#' {
			return false
		}
		line = bytes.TrimSpace(line)
		if bytes.HasSuffix(line, []byte(" histogram")) || bytes.HasSuffix(line, []byte(" summary")) {
			return true
		}
	}
	return false
}

func metricValue(m *dto.Metric) (float64, bool) {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	case m.Gauge != nil:
		return m.Gauge.GetValue(), true
	case m.Untyped != nil:
		return m.Untyped.GetValue(), true
	}
	return 0, false
}

func metricLabels(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, pair := range m.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}
