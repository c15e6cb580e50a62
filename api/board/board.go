// Package board is the web page on which people watch a cluster: files for a browser,
// which reads the services of the node that it was loaded from (package rest).
package board

import (
	"embed"
	"net/http"
)

// Path is where the board is.
const Path = "/board/"

//go:embed index.html board.js board.css map.js streams.js
var files embed.FS

// Handler serves the files. They hold nothing that anybody may not see.
func Handler() http.Handler {
	static := http.StripPrefix(Path, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		static.ServeHTTP(w, r)
	})
}
