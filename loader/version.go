package loader

import "strings"

// buildVersion finds Envoy's version in what server_info and old nodes say of the
// build, "revision/1.40.0/Clean/RELEASE/BoringSSL"; "" where there is none.
func buildVersion(text string) string {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == ' ' }) {
		if isVersion(part) {
			return part
		}
	}
	return ""
}

// isVersion tells "1.40.0" and "1.7.0-dev" from a revision, which has no dots.
func isVersion(text string) bool {
	major, rest, dotted := strings.Cut(text, ".")
	return dotted && rest != "" && isDigits(major) && isDigits(rest[:1])
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
