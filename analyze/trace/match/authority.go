package match

// ValidAuthority reports whether Envoy accepts the characters of an :authority:
// those of RFC 3986's authority.
func ValidAuthority(authority string) bool {
	for i := 0; i < len(authority); i++ {
		if !authorityByte(authority[i]) {
			return false
		}
	}
	return true
}

func authorityByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '%', '@', '[', ']':
		return true
	}
	return false
}
