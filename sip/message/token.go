package message

import "bytes"

// The tokenizer of header values and URIs (RFC 3261 §25.1): quoted strings with their
// quoted pairs, parameters, elements of lists, words. Whoever takes a value apart does it
// by these, so that every legal spelling of a value is read alike. They return parts of
// what they are given and allocate nothing; Unquoted does where there is a quoted pair.

// Quoted is the length of the quoted string at the start of v, -1 when it does not end.
func Quoted(v []byte) int {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// validParams tells whether a list of parameters can be read. A value with a separator of
// elements or a bracket would be the start of another address.
func validParams(p []byte) bool {
	for len(p) > 0 {
		name, value, rest, ok := NextParam(p)
		if !ok || !IsToken(name) || outValue.any(value) && value[0] != '"' {
			return false
		}
		p = rest
	}
	return true
}

// NextParam cuts the first parameter off a list that starts with ';'. A value
// keeps its quotes; a parameter without value has a nil one.
func NextParam(p []byte) (name, value, rest []byte, ok bool) {
	p = Trim(p)
	if len(p) == 0 || p[0] != ';' {
		return nil, nil, nil, false
	}
	p = Trim(p[1:])
	i := 0
	for i < len(p) && p[i] != ';' && p[i] != '=' {
		i++
	}
	name, p = Trim(p[:i]), p[i:]
	if len(p) == 0 || p[0] == ';' {
		return name, nil, p, true
	}
	p = Trim(p[1:])
	if len(p) > 0 && p[0] == '"' {
		n := Quoted(p)
		if n < 0 {
			return nil, nil, nil, false
		}
		value, p = p[:n], Trim(p[n:])
		return name, value, p, len(p) == 0 || p[0] == ';'
	}
	i = bytes.IndexByte(p, ';')
	if i < 0 {
		i = len(p)
	}
	if value = Trim(p[:i]); value == nil {
		value = []byte{} // "name=" is not "name"
	}
	return name, value, p[i:], true
}

// Param returns the value of a parameter of the list.
func Param(p []byte, name string) (value []byte, found bool) {
	for len(p) > 0 {
		n, v, rest, ok := NextParam(p)
		if !ok {
			return nil, false
		}
		if EqualFold(n, name) {
			return v, true
		}
		p = rest
	}
	return nil, false
}

// NextElement cuts the first element off a comma-separated list: commas in
// quotes and in angle brackets do not count.
func NextElement(v []byte) (element, rest []byte) {
	if bytes.IndexByte(v, ',') < 0 {
		return Trim(v), nil
	}
	bracket := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' && !bracket:
			n := Quoted(v[i:])
			if n < 0 {
				return Trim(v), nil
			}
			i += n - 1
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			return Trim(v[:i]), v[i+1:]
		}
	}
	return Trim(v), nil
}

// Elements yields those of a comma-separated list; an empty value has one, which is empty.
func Elements(v []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for rest := v; ; {
			var one []byte
			if one, rest = NextElement(rest); !yield(one) || rest == nil {
				return
			}
		}
	}
}

// HasOption tells whether an option tag, or another token, is in the values of a header
// that lists them.
func HasOption(lists [][]byte, option string) bool {
	for _, v := range lists {
		if Lists(v, option) {
			return true
		}
	}
	return false
}

// Lists tells whether a token is in a comma-separated list of tokens.
func Lists(v []byte, token string) bool {
	for one := range Elements(v) {
		if EqualFold(one, token) {
			return true
		}
	}
	return false
}

// Leading cuts a value where its parameters begin: what stands in front of them, and
// them with their first ';'.
func Leading(v []byte) (value, params []byte) {
	i := bytes.IndexByte(v, ';')
	if i < 0 {
		return Trim(v), nil
	}
	return Trim(v[:i]), v[i:]
}

// Digits are the digits that a value begins with, which is a number with parameters or a
// comment behind it, as of Retry-After or Session-Expires.
func Digits(v []byte) []byte {
	v = Trim(v)
	i := 0
	for i < len(v) && '0' <= v[i] && v[i] <= '9' {
		i++
	}
	return v[:i]
}

// NextWord cuts the first word off what white space separates.
func NextWord(v []byte) (word, rest []byte) {
	v = Trim(v)
	if i := space(v); i >= 0 {
		return v[:i], Trim(v[i:])
	}
	return v, nil
}

// NextAuthParam cuts the first parameter off a list that commas separate, as credentials
// and challenges are (RFC 3261 §25.1). A value keeps its quotes; it is nil when there is
// none. The list has ended when rest is empty.
func NextAuthParam(v []byte) (name, value, rest []byte, ok bool) {
	v = skipCommas(v)
	i := wordLen(v, '=')
	name, v = v[:i], Trim(v[i:])
	if len(v) == 0 || v[0] != '=' {
		return name, nil, skipCommas(v), i > 0
	}
	v = Trim(v[1:])
	n := wordLen(v, ',')
	if len(v) > 0 && v[0] == '"' {
		if n = Quoted(v); n < 0 {
			return nil, nil, nil, false
		}
	}
	if n > 0 {
		value = v[:n:n]
	}
	return name, value, skipCommas(v[n:]), i > 0
}

// wordLen is where a word ends: at a comma, a space, or the sign.
func wordLen(v []byte, sign byte) int {
	for i, c := range v {
		if c == ',' || c == sign || c == ' ' || c == '\t' {
			return i
		}
	}
	return len(v)
}

func skipCommas(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t' || v[0] == ',') {
		v = v[1:]
	}
	return v
}

// Bare is a value without the quotes of a quoted string; its quoted pairs stay.
func Bare(v []byte) []byte {
	if n := len(v); n >= 2 && v[0] == '"' && v[n-1] == '"' {
		return v[1 : n-1 : n-1]
	}
	return v
}

// Unquoted is what a value stands for: a quoted string without its quotes, each quoted
// pair replaced by its character; any other as it is. A parameter without value stays nil.
func Unquoted(v []byte) []byte {
	bare := Bare(v)
	if len(bare) == len(v) || bytes.IndexByte(bare, '\\') < 0 {
		return bare
	}
	return Unescaped(bare)
}

// Unescaped is the inside of a quoted string with each quoted pair replaced by its character.
func Unescaped(bare []byte) []byte {
	plain := make([]byte, 0, len(bare))
	for i := 0; i < len(bare); i++ {
		if bare[i] == '\\' && i+1 < len(bare) {
			i++
		}
		plain = append(plain, bare[i])
	}
	return plain
}
