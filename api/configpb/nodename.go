package configpb

// NodeNameRule says in words what ValidNodeName takes; a "-" neither begins nor ends it.
const NodeNameRule = "want 1 to 32 characters of a-z 0-9 -"

// MaxNodeName is the greatest length of a node's name in bytes.
const MaxNodeName = 32

// ValidNodeName tells whether a text can name a node.
func ValidNodeName(s string) bool {
	if len(s) == 0 || len(s) > MaxNodeName || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
