/* What the API is, as a file that the assembler puts into the program: no tool has to turn it into
 * C first. */
#include "target/control/api.h"

#include <stdlib.h>
#include <string.h>

__asm__(".pushsection .rodata\n"
	".global api_openapi_begin, api_openapi_end\n"
	"api_openapi_begin:\n"
	".incbin \"" OPENAPI_JSON "\"\n"
	"api_openapi_end:\n"
	".byte 0\n"
	".popsection\n");

void api_show_openapi(const struct api_call *call, struct api_reply *reply)
{
	(void)call;
	reply->text = strndup(api_openapi_begin, (size_t)(api_openapi_end - api_openapi_begin));
	reply->content_type = "application/json";
	if (!reply->text)
		api_fail(&reply->error, 503, "out_of_memory", "out of memory");
}
