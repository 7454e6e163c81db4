package expect

import (
	"fmt"
	"strings"
)

// field is what a value of an access log line says about a request.
type field int8

const (
	noField field = iota
	startTime
	method
	path
	barePath // the path without its query
	protocol
	authority
	scheme
	status
	flags
	details
	terminationDetails
	cluster
	upstreamHost
	localAddress
	localPort
	remoteAddress
	remoteIP
	serverName
	routeName
	filterChain
	location
	peerURISAN
	tlsVersion
	grpcStatus
	header // a request header, named by the operator's argument
	fieldCount
)

// operatorFields are the command operators that tell something about a request,
// other than those with an argument.
var operatorFields = map[string]field{
	"START_TIME":                             startTime,
	"PROTOCOL":                               protocol,
	"RESPONSE_CODE":                          status,
	"RESPONSE_FLAGS":                         flags,
	"RESPONSE_CODE_DETAILS":                  details,
	"CONNECTION_TERMINATION_DETAILS":         terminationDetails,
	"UPSTREAM_CLUSTER":                       cluster,
	"UPSTREAM_CLUSTER_RAW":                   cluster,
	"UPSTREAM_HOST":                          upstreamHost,
	"UPSTREAM_REMOTE_ADDRESS":                upstreamHost,
	"DOWNSTREAM_LOCAL_ADDRESS":               localAddress,
	"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":  localAddress,
	"DOWNSTREAM_LOCAL_PORT":                  localPort,
	"DOWNSTREAM_REMOTE_ADDRESS":              remoteAddress,
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": remoteIP,
	"REQUESTED_SERVER_NAME":                  serverName,
	"ROUTE_NAME":                             routeName,
	"FILTER_CHAIN_NAME":                      filterChain,
	"DOWNSTREAM_PEER_URI_SAN":                peerURISAN,
	"DOWNSTREAM_TLS_VERSION":                 tlsVersion,
	"GRPC_STATUS":                            grpcStatus,
	"GRPC_STATUS_NUMBER":                     grpcStatus,
}

// fieldAlphabets bound the values of the fields that are not any text.
var fieldAlphabets = map[field]alphabet{
	method: token, path: token, barePath: token, protocol: word, authority: word, scheme: word,
	status: number, flags: word, cluster: token, upstreamHost: word, localAddress: word, localPort: number,
	remoteAddress: word, remoteIP: word, serverName: word,
}

// operatorAlphabets bound the values that tell nothing about a request.
var operatorAlphabets = map[string]alphabet{
	"BYTES_RECEIVED":                 number,
	"BYTES_SENT":                     number,
	"DURATION":                       number,
	"REQUEST_DURATION":               number,
	"RESPONSE_DURATION":              number,
	"UPSTREAM_LOCAL_ADDRESS":         word,
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": number,
}

func (op operator) alphabet() alphabet {
	if op.joined {
		return anyText
	}
	meaning, _ := op.meaning()
	if meaning == startTime && op.argument == "" {
		return word
	}
	if meaning == header && strings.EqualFold(op.argument, "x-request-id") {
		return word
	}
	if bounded, ok := fieldAlphabets[meaning]; ok {
		return bounded
	}
	return operatorAlphabets[op.name]
}

// meaning returns the field that the operator writes and, for a request header,
// its name in lower case.
func (op operator) meaning() (f field, headerName string) {
	if op.joined {
		return noField, ""
	}
	switch op.name {
	case "REQ", "REQUEST_HEADER":
		return requestHeader(op.argument)
	case "REQ_WITHOUT_QUERY":
		if f, _ := requestHeader(op.argument); f == path {
			return barePath, ""
		}
		return noField, ""
	case "RESP", "RESPONSE_HEADER":
		if strings.EqualFold(op.argument, "location") {
			return location, ""
		}
		return noField, ""
	case "PATH":
		if strings.HasPrefix(op.argument, "NQ") {
			return barePath, ""
		}
		return path, ""
	}
	return operatorFields[op.name], ""
}

// requestHeader is the meaning of %REQ(argument)%, "NAME" or "NAME?ALTERNATIVE".
func requestHeader(argument string) (f field, name string) {
	name, alternative, either := strings.Cut(strings.ToLower(argument), "?")
	if !either {
		if pseudo := pseudoHeaders[name]; pseudo != noField {
			return pseudo, ""
		}
		return header, name
	}
	// Of other pairs it cannot be told which header was there.
	if pseudo := pseudoHeaders[alternative]; pseudo != noField {
		return pseudo, ""
	}
	return noField, ""
}

var pseudoHeaders = map[string]field{
	":method": method, ":path": path, ":authority": authority, ":scheme": scheme, "host": authority,
	"x-envoy-original-path": path, "x-envoy-original-host": authority,
}

// String writes the operator as a format does.
func (op operator) String() string {
	text := "%" + op.name
	if op.argument != "" {
		text += "(" + op.argument + ")"
	}
	if op.limit > 0 {
		text += fmt.Sprintf(":%d", op.limit)
	}
	return text + "%"
}

// notesOn says what a format with these operators does not tell.
func notesOn(operators []operator) []string {
	var notes []string
	var has [fieldCount]bool
	for _, op := range operators {
		meaning, _ := op.meaning()
		has[meaning] = true
		switch {
		case op.joined:
			notes = append(notes, fmt.Sprintf("%s: several values without anything between them, not read", op.name))
		case meaning == barePath:
			notes = append(notes, fmt.Sprintf("%s: the path comes without its query, so routes that match query parameters may be missed", op))
		case meaning == path && strings.EqualFold(op.argument, ":path"):
			notes = append(notes, fmt.Sprintf("%s: where a route rewrites the path this is the rewritten one; %%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%% is the client's", op))
		case op.limit > 0 && meaning != noField:
			notes = append(notes, fmt.Sprintf("%s: values of this length may be cut off and are left out", op))
		}
	}
	if !has[path] && !has[barePath] {
		return append(notes, "no %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%: only TCP connections can be followed")
	}
	if !has[method] {
		notes = append(notes, "no %REQ(:METHOD)%: GET is assumed")
	}
	if !has[authority] {
		notes = append(notes, "no %REQ(:AUTHORITY)%: the virtual host cannot be told")
	}
	if !has[localAddress] {
		notes = append(notes, "no %DOWNSTREAM_LOCAL_ADDRESS%: the destination is taken from the authority")
	}
	return notes
}
