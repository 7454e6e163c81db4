package expect

// The parts of Istio's default format that all its generations share.
const (
	requestPart  = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% `
	countsPart   = `%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% `
	headersPart  = `"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"`
	addressPart  = ` %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%`
	mixerPart    = `"%DYNAMIC_METADATA(istio.mixer:status)%" `
	failurePart  = `"%UPSTREAM_TRANSPORT_FAILURE_REASON%" `
	detailsPart  = `%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% `
	envoyDefault = requestPart + countsPart + headersPart
)

// builtins are the default formats, in an order in which the first that fits a
// line is its own: those with a value more between quotes go first.
var builtins = []struct{ name, text string }{
	{"Istio 1.9 and later", requestPart + detailsPart + failurePart + countsPart + headersPart + addressPart + " %ROUTE_NAME%"},
	{"Istio 1.3 to 1.7", requestPart + mixerPart + failurePart + countsPart + headersPart + addressPart + " %ROUTE_NAME%"},
	{"Istio 1.2", requestPart + mixerPart + failurePart + countsPart + headersPart + addressPart},
	{"Istio 1.8", requestPart + failurePart + countsPart + headersPart + addressPart + " %ROUTE_NAME%"},
	{"Istio 1.1", requestPart + mixerPart + countsPart + headersPart + addressPart},
	{"Envoy's default", envoyDefault},
}

// Builtin returns the formats that need no configuration: Istio's default of each
// generation, Envoy's own, and last JSON lines that are read by their keys. The
// first that fits a line is its own.
func Builtin() []*Format {
	var formats []*Format
	for _, b := range builtins {
		format, err := CompileFormat(b.text)
		if err != nil {
			continue // a test compiles them all
		}
		format.Name = b.name
		formats = append(formats, format)
	}
	return append(formats, &Format{Name: "JSON by its keys"})
}

// Detect returns the built-in format that reads most of the lines, and the share
// of those lines it reads that look like an access log's: 1 where it reads them
// all. Where none reads any, the format is nil.
func Detect(lines []string) (best *Format, confidence float64) {
	formats := Builtin()
	read := make([]int, len(formats))
	candidates := 0
	for _, line := range lines {
		fits := false
		for i, format := range formats {
			if _, ok := format.read(line); ok {
				read[i]++
				fits = true
			}
		}
		if fits || looksLikeAccess(line) {
			candidates++
		}
	}
	most := 0
	for i, count := range read {
		if count > most {
			best, most = formats[i], count
		}
	}
	if best == nil {
		return nil, 0
	}
	return best, float64(most) / float64(candidates)
}
