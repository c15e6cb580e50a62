package siptest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// challenge is the last one the server sent, with the count of its uses.
type challenge struct {
	realm, nonce, algorithm, opaque string
	qop, stale                      bool
	count                           uint32
}

func (c *challenge) parse(v string) bool {
	rest, ok := strings.CutPrefix(v, "Digest ")
	if !ok {
		return false
	}
	p := map[string]string{}
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return false
		}
		var value string
		if strings.HasPrefix(after, `"`) {
			value, rest, ok = strings.Cut(after[1:], `"`)
			if !ok {
				return false
			}
			_, rest, _ = strings.Cut(rest, ",")
		} else {
			value, rest, _ = strings.Cut(after, ",")
		}
		p[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	*c = challenge{realm: p["realm"], nonce: p["nonce"], algorithm: p["algorithm"], opaque: p["opaque"],
		stale: strings.EqualFold(p["stale"], "true")}
	for q := range strings.SplitSeq(p["qop"], ",") {
		c.qop = c.qop || strings.TrimSpace(q) == "auth"
	}
	return c.nonce != ""
}

// answer is the value of an Authorization header; "" before the first challenge.
func (c *challenge) answer(method, uri, user, password string) string {
	if c.nonce == "" {
		return ""
	}
	c.count++
	ha1 := c.hash(user + ":" + c.realm + ":" + password)
	ha2 := c.hash(method + ":" + uri)
	v := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, c.realm, c.nonce, uri)
	if c.algorithm != "" {
		v += ", algorithm=" + c.algorithm
	}
	if c.opaque != "" {
		v += fmt.Sprintf(`, opaque="%s"`, c.opaque)
	}
	if !c.qop {
		return v + fmt.Sprintf(`, response="%s"`, c.hash(ha1+":"+c.nonce+":"+ha2))
	}
	nc, cnonce := fmt.Sprintf("%08x", c.count), c.hash(c.nonce + user)[:16]
	return v + fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce,
		c.hash(strings.Join([]string{ha1, c.nonce, nc, cnonce, "auth", ha2}, ":")))
}

func (c *challenge) hash(s string) string {
	if strings.EqualFold(c.algorithm, "SHA-256") {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
