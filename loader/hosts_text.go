package loader

import (
	"bytes"
	"strconv"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// hostTexts are the host fields whose values may hold "::" themselves.
var hostTexts = []string{"hostname", "region", "zone", "sub_zone"}

// cutHostLine splits "cluster::address::key::value" before key and before value.
func cutHostLine(line []byte) (prefix, key, value []byte, ok bool) {
	for _, field := range hostTexts {
		separator := nameSeparator + field + nameSeparator
		if at := bytes.Index(line, []byte(separator)); at > 0 {
			return line[:at:at], []byte(field), line[at+len(separator):], true
		}
	}
	end := bytes.LastIndex(line, []byte(nameSeparator))
	if end < 0 {
		return nil, nil, nil, false
	}
	start := bytes.LastIndex(line[:end], []byte(nameSeparator))
	if start < 0 {
		return nil, nil, nil, false
	}
	return line[:start:start], line[start+len(nameSeparator) : end], line[end+len(nameSeparator):], true
}

// setHostField takes in one line of a host's block.
func setHostField(h *adminv3.HostStatus, key, value []byte) bool {
	switch string(key) {
	case "hostname":
		h.Hostname = validText(value)
	case "health_flags":
		return setHealthFlags(h, value)
	case "weight":
		return setNumber(&h.Weight, value)
	case "priority":
		return setNumber(&h.Priority, value)
	case "region":
		locality(h).Region = validText(value)
	case "zone":
		locality(h).Zone = validText(value)
	case "sub_zone":
		locality(h).SubZone = validText(value)
	case "success_rate":
		return setRate(&h.SuccessRate, value)
	case "local_origin_success_rate":
		return setRate(&h.LocalOriginSuccessRate, value)
	case "canary":
		return string(value) == "true" || string(value) == "false"
	default:
		return addHostStat(h, key, value)
	}
	return true
}

func locality(h *adminv3.HostStatus) *corev3.Locality {
	if h.Locality == nil {
		h.Locality = &corev3.Locality{}
	}
	return h.Locality
}

func setNumber(field *uint32, text []byte) bool {
	value, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return false
	}
	*field = uint32(value)
	return true
}

// setRate leaves a rate unset that is negative: there were too few requests.
func setRate(field **typev3.Percent, text []byte) bool {
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	if value >= 0 {
		*field = &typev3.Percent{Value: value}
	}
	return true
}

// addHostStat adds a counter or gauge; one that is not known counts as a counter.
func addHostStat(h *adminv3.HostStatus, key, text []byte) bool {
	value, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || !isStatName(key) {
		return false
	}
	stat := &adminv3.SimpleMetric{Name: hostStatName(key), Value: value}
	switch stat.Name {
	case "cx_active", "rq_active", "rq_pending_active":
		stat.Type = adminv3.SimpleMetric_GAUGE
	}
	h.Stats = append(h.Stats, stat)
	return true
}

func isStatName(key []byte) bool {
	for _, c := range key {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(key) > 0 && key[0] >= 'a'
}

// hostStatName spares a copy of each name that all hosts have.
func hostStatName(key []byte) string {
	switch string(key) {
	case "cx_active":
		return "cx_active"
	case "cx_connect_fail":
		return "cx_connect_fail"
	case "cx_total":
		return "cx_total"
	case "rq_active":
		return "rq_active"
	case "rq_error":
		return "rq_error"
	case "rq_pending_active":
		return "rq_pending_active"
	case "rq_success":
		return "rq_success"
	case "rq_timeout":
		return "rq_timeout"
	case "rq_total":
		return "rq_total"
	}
	return string(key)
}

// setHealthFlags reads "healthy" or "/flag/flag". Envoy knows no more of EDS
// health than its flags say, so a host without one was HEALTHY or UNKNOWN; its
// JSON form calls both HEALTHY.
func setHealthFlags(h *adminv3.HostStatus, value []byte) bool {
	status := &adminv3.HostHealthStatus{EdsHealthStatus: corev3.HealthStatus_HEALTHY}
	h.HealthStatus = status
	if string(value) == "healthy" {
		return true
	}
	known := len(value) > 0 && value[0] == '/'
	for flag := range bytes.SplitSeq(bytes.TrimPrefix(value, []byte("/")), []byte("/")) {
		known = setHealthFlag(status, string(flag)) && known
	}
	return known
}

func setHealthFlag(s *adminv3.HostHealthStatus, flag string) bool {
	switch flag {
	case "failed_active_hc":
		s.FailedActiveHealthCheck = true
	case "failed_outlier_check":
		s.FailedOutlierCheck = true
	case "failed_eds_health":
		s.EdsHealthStatus = corev3.HealthStatus_UNHEALTHY
	case "degraded_eds_health":
		if s.EdsHealthStatus != corev3.HealthStatus_UNHEALTHY {
			s.EdsHealthStatus = corev3.HealthStatus_DEGRADED
		}
	case "eds_status_draining":
		s.EdsHealthStatus = corev3.HealthStatus_DRAINING
	case "degraded_active_hc":
		s.FailedActiveDegradedCheck = true
	case "degraded_outlier_detection":
		s.FailedDegradedOutlierDetection = true
	case "pending_dynamic_removal":
		s.PendingDynamicRemoval = true
	case "pending_active_hc":
		s.PendingActiveHc = true
	case "excluded_via_immediate_hc_fail":
		s.ExcludedViaImmediateHcFail = true
	case "active_hc_timeout":
		s.ActiveHcTimeout = true
	default:
		return false
	}
	return true
}
