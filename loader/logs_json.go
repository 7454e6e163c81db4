package loader

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// The members that JSON logs of Istio, Envoy, zap and cloud agents use.
var (
	jsonTimes    = []string{"time", "ts", "timestamp", "@timestamp", "start_time"}
	jsonLevels   = []string{"level", "severity"}
	jsonMessages = []string{"msg", "message"}
)

// jsonRecord reads a JSON object. Its text is that of the same record in Istio's
// plain format, "scope\tmessage\tkey=value"; an object without a message, such as
// an access log, is kept whole.
func jsonRecord(line string) mesh.LogLine {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &members); err != nil {
		return mesh.LogLine{Text: line}
	}
	record := mesh.LogLine{Time: jsonTime(take(members, jsonTimes)), Text: line}
	message, ok := rawjson.Unquote(take(members, jsonMessages))
	if !ok {
		return record
	}
	level, _ := rawjson.Unquote(take(members, jsonLevels))
	record.Level = logLevel(level)
	fields := []string{message}
	if scope, ok := rawjson.Unquote(take(members, []string{"scope"})); ok && scope != "" {
		fields = []string{scope, message}
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		fields = append(fields, key+"="+jsonText(members[key]))
	}
	record.Text = strings.Join(fields, "\t")
	return record
}

// take removes the first of names that is a member and returns its value.
func take(members map[string]json.RawMessage, names []string) json.RawMessage {
	for _, name := range names {
		if value, ok := members[name]; ok {
			delete(members, name)
			return value
		}
	}
	return nil
}

// jsonTime reads a time, or the seconds since 1970 that zap writes.
func jsonTime(raw json.RawMessage) time.Time {
	if text, ok := rawjson.Unquote(raw); ok {
		at, _, _ := cutTime(text)
		return at
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(seconds) > math.MaxInt32 {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}

func jsonText(raw json.RawMessage) string {
	if text, ok := rawjson.Unquote(raw); ok {
		return text
	}
	return string(raw)
}
