package loader

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// fromUTF16 returns the UTF-8 form of a text in UTF-16, which PowerShell's ">" writes; false
// if data does not begin with its byte order mark.
func fromUTF16(data []byte) ([]byte, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return nil, false
	}
	text := make([]byte, 0, len(data)/2)
	for at := 2; at+1 < len(data); at += 2 {
		r := rune(order.Uint16(data[at:]))
		if utf16.IsSurrogate(r) && at+3 < len(data) {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(data[at+2:]))); pair != utf8.RuneError {
				r = pair
				at += 2
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text, true
}
