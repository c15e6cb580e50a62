package config

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// CheckNumber checks the form of a DN's number.
func CheckNumber(s string) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-._*#"
	if s == "" || len(s) > 64 || strings.Trim(s, allowed) != "" {
		return fmt.Errorf("%.70q is not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * #", s)
	}
	return nil
}

// errKind says that a text names no kind of DN.
var errKind = errors.New("want sip, pstn, routing-point, trunk or feature")

// ParseKind reads the word for a kind of DN.
func ParseKind(s string) (configpb.DNKind, error) {
	k := configpb.KindOf(s)
	if k == configpb.DNKind_DN_KIND_UNSPECIFIED {
		return 0, fmt.Errorf("%.20q: %w", s, errKind)
	}
	return k, nil
}

// HA1 is what the cluster stores instead of a password (RFC 7616 section
// 3.4.2). MD5 is what most phones speak; it guards the digest, not secrecy.
func HA1(alg configpb.DigestAlgorithm, number, realm, password string) string {
	a1 := number + ":" + realm + ":" + password
	if alg == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		sum := sha256.Sum256([]byte(a1))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(a1))
	return hex.EncodeToString(sum[:])
}

// ParseAlgorithm reads the word for a digest; "" is md5.
func ParseAlgorithm(s string) (configpb.DigestAlgorithm, error) {
	switch strings.ToLower(s) {
	case "", "md5":
		return configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, nil
	case "sha-256", "sha256":
		return configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, nil
	}
	return 0, fmt.Errorf("%.20q: want md5 or sha-256", s)
}

func algorithmName(a configpb.DigestAlgorithm) string {
	if a == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		return "sha-256"
	}
	return "md5"
}
