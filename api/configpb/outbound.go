package configpb

import (
	"fmt"
	"strings"
)

// Allows tells whether a call may leave by a trunk to the number.
func (o *Outbound) Allows(number string) bool {
	switch o.GetClass() {
	case OutboundClass_OUTBOUND_CLASS_UNSPECIFIED:
		return true
	case OutboundClass_OUTBOUND_CLASS_PREFIXES:
		for _, p := range o.GetPrefixes() {
			if strings.HasPrefix(number, p) {
				return true
			}
		}
	}
	return false
}

// words of the classes without prefixes, as documents and the command line know them.
var outboundWords = map[OutboundClass]string{
	OutboundClass_OUTBOUND_CLASS_UNSPECIFIED: "all", OutboundClass_OUTBOUND_CLASS_NONE: "none", OutboundClass_OUTBOUND_CLASS_INTERNAL: "internal",
}

// Text is "all", "none", "internal", or the prefixes with commas between them.
func (o *Outbound) Text() string {
	if word, ok := outboundWords[o.GetClass()]; ok {
		return word
	}
	return strings.Join(o.GetPrefixes(), ",")
}

// ParseOutbound reads what Text wrote; semicolons serve as well as commas. It is nil
// for "" and "all".
func ParseOutbound(text string) (*Outbound, error) {
	for class, word := range outboundWords {
		switch {
		case text != word && text != "":
		case text == "" || class == OutboundClass_OUTBOUND_CLASS_UNSPECIFIED:
			return nil, nil
		default:
			return &Outbound{Class: class}, nil
		}
	}
	o := &Outbound{Class: OutboundClass_OUTBOUND_CLASS_PREFIXES}
	for p := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' }) {
		if p = strings.TrimSpace(p); !ValidPrefix(p) {
			return nil, fmt.Errorf("%.40q: want all, none, internal, or first digits of numbers as +49,00", p)
		}
		o.Prefixes = append(o.Prefixes, p)
	}
	if len(o.Prefixes) == 0 {
		return nil, fmt.Errorf("%.40q has no prefix: want all, none, internal, or first digits of numbers as +49,00", text)
	}
	return o, nil
}

// MaxPrefix is the length of a number's prefix in bytes.
const MaxPrefix = 32

// ValidPrefix tells whether numbers can begin with it.
func ValidPrefix(p string) bool {
	return p != "" && len(p) <= MaxPrefix && strings.Trim(p, "0123456789+*#") == ""
}
